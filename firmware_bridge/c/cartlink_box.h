/* Between cartlink.c and cartlink_box.c; not for the caller.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARTLINK_BOX_H
#define CARTLINK_BOX_H

#include "cartlink.h"

#define CARTLINK_ASKED (CARTLINK_RETRIES + 2U) /* `tries`: the repeats are spent, a Hello of the box is awaited */

/* Number of the next message, from 1. */
uint32_t cartlink_next_sequence(cartlink *link);
/* Frame a message and hand it to the board. */
void cartlink_send(cartlink *link, const cartlink_Message *message);
void cartlink_send_hello(cartlink *link, uint32_t now_ms);
/* Leaving a phase forgets what the box had said in it. */
void cartlink_set_phase(cartlink *link, uint32_t now_ms, cartlink_phase phase, cartlink_Refusal refusal);
/* queue[0] is acknowledged. */
void cartlink_press_done(cartlink *link, uint32_t now_ms);
/* Drop the rings that are older than the bell's window: also from the tick, so that none outlives the clock's wrap. */
void cartlink_forget_rings(cartlink *link, uint32_t now_ms);

#endif
