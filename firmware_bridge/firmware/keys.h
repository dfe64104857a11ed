/* Contacts that bounce -> key events.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CART_KEYS_H
#define CART_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#define CART_KEYS_STABLE_MS 10U /* a contact must rest so long; membrane keys and foot switches bounce for 1 to 5 ms */

/* One contact. Zero bytes make one that is open. */
typedef struct {
    bool raw;     /* as last read */
    bool pressed; /* as last told */
    uint32_t raw_ms;
} cart_key;

/* Take the contact's level. Returns true when the key has gone down or up: see `key->pressed`. */
bool cart_key_changed(cart_key *key, bool level, uint32_t now_ms);

#endif
