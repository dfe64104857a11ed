/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

bool cart_key_changed(cart_key *key, bool level, uint32_t now_ms)
{
    if (level != key->raw) {
        key->raw = level;
        key->raw_ms = now_ms;
    }
    if (key->raw == key->pressed || now_ms - key->raw_ms < CART_KEYS_STABLE_MS) {
        return false;
    }
    key->pressed = key->raw;
    return true;
}
