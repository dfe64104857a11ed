/* What the reference firmware needs of a board: one port a folder (posix, mps2). A port owns `main` and calls cart_run.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CART_BOARD_H
#define CART_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The two lines of a board. On a real cart the panel is pins; here it is a second serial line (panel.h). */
typedef enum { BOARD_LINK = 0, BOARD_PANEL = 1 } board_line;

uint32_t board_now_ms(void);
/* Another number at each start, never 0. */
uint32_t board_boot_id(void);
/* Bytes that came in since the last call, at most `room`; does not wait. */
size_t board_read(board_line line, uint8_t *data, size_t room);
/* All of `data` or nothing; does not wait. Returns whether it was taken. */
bool board_write(board_line line, const uint8_t *data, size_t size);
/* Sleep until a byte comes or a millisecond has passed. Returns false when the board is to stop (never on a cart). */
bool board_sleep(void);

#endif
