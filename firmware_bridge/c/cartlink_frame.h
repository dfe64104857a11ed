/* Frames of the cart link: message -> COBS(message || CRC-32C) 0x00, and back, byte by byte.
 *
 * C99, no allocation, nothing of libc but mem*. No function keeps a pointer that it was given.
 * Sources: COBS: Cheshire and Baker, IEEE/ACM Trans. Networking 7(2), 1999. CRC-32C: RFC 3720, appendix B.4.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARTLINK_FRAME_H
#define CARTLINK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARTLINK_MESSAGE_MAX 128U /* bytes of a serialized Message: one byte of COBS, 12 ms a frame at 115200 baud */
#define CARTLINK_CRC_SIZE 4U
#define CARTLINK_FRAME_MAX (CARTLINK_MESSAGE_MAX + CARTLINK_CRC_SIZE + 2U) /* on the wire, delimiter included: 134 */

/* CRC-32C of `size` bytes that follow those whose CRC is `crc` (0 at the start). */
uint32_t cartlink_crc32c(uint32_t crc, const uint8_t *data, size_t size);

/* Write the frame of one message.
 * message  1 to CARTLINK_MESSAGE_MAX bytes
 * frame    room for CARTLINK_FRAME_MAX bytes; must not overlap `message`
 * Returns the frame's bytes, 7 to CARTLINK_FRAME_MAX; 0 if `size` is out of range. */
size_t cartlink_frame_encode(const uint8_t *message, size_t size, uint8_t *frame);

/* What came in since the last delimiter. Zero bytes make a fresh one. */
typedef struct {
    uint8_t data[CARTLINK_MESSAGE_MAX + CARTLINK_CRC_SIZE];
    uint8_t used;   /* bytes in `data` */
    uint8_t code;   /* COBS: of the running block; 0 before the first */
    uint8_t left;   /* COBS: bytes of the running block that are still to come */
    bool overlong;  /* the frame has more bytes than any has */
    uint32_t bad;   /* frames that were dropped; stops at UINT32_MAX */
} cartlink_decoder;

/* Take one byte from the line.
 * Returns the size of the message that it completes, 1 to CARTLINK_MESSAGE_MAX: it lies at `decoder->data` until the
 * next call; 0 if it completes none. */
size_t cartlink_decoder_feed(cartlink_decoder *decoder, uint8_t byte);

#endif
