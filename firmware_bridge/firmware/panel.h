/* The cart's keys, lamps and bell as text on a serial line: what a person, a test or `edge sim` sees in place of pins.
 *
 *   in   F f  freeze key: contact closed, open      S s  foot switch      e  one clean foot event, for line tests
 *   out  one line when something may have changed:
 *        link=up refused=none ai=on attention=off lit=0 bell=0 rung=00000000 rows=5 paused=0 captured=00000003
 *        weak=00000002 lost=00000000 uncovered=00000010 answer=plane row=1 confidence=high synthetic=0 plane=TTV
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CART_PANEL_H
#define CART_PANEL_H

#include "cartlink.h"

#define CART_PANEL_LINE 256U /* bytes; the longest line has fewer than 250 */

/* What the lamps and the bell are doing. */
typedef struct {
    const cartlink_view *view;
    bool attention; /* lit at this moment: BLINK is on and off */
    bool bell;      /* sounding at this moment */
    uint32_t rung;  /* signals since the start */
} cart_panel;

/* Write the line, line feed included, into CART_PANEL_LINE bytes. Returns its size. */
size_t cart_panel_line(const cart_panel *panel, uint8_t *line);

#endif
