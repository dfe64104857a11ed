/* The reference firmware: keys, lamps and bell of a cart, on any board.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CART_CART_H
#define CART_CART_H

#include "board.h"
#include "cartlink.h"
#include "keys.h"
#include "panel.h"

#define CART_ROWS 24U      /* checklist lamps of this cart; the largest protocol has 21 planes */
#define CART_BLINK_MS 500U /* half a flash */

typedef struct {
    cartlink link;
    cart_key freeze, foot;
    bool freeze_level, foot_level, clean_level;
    uint32_t now_ms; /* of this turn */
    uint32_t rung;
    cartlink_Signal signal; /* sounding */
    uint32_t signal_ms;     /* since when */
    cart_panel panel; /* as last told */
    bool is_stale;    /* the panel is to be told again */
} cart;

/* Begin, and go on until board_sleep says stop. Returns false if the board's boot id is 0. */
bool cart_run(cart *self);

#endif
