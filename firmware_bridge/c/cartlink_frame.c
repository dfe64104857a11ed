/* SPDX-License-Identifier: Apache-2.0 */
#include "cartlink_frame.h"

/* CRC-32C of the sixteen half bytes: 64 bytes of flash instead of 1 kB. */
static const uint32_t kHalfByteCrc[16] = {
    0x00000000U, 0x105EC76FU, 0x20BD8EDEU, 0x30E349B1U, 0x417B1DBCU, 0x5125DAD3U, 0x61C69362U, 0x7198540DU,
    0x82F63B78U, 0x92A8FC17U, 0xA24BB5A6U, 0xB21572C9U, 0xC38D26C4U, 0xD3D3E1ABU, 0xE330A81AU, 0xF36E6F75U,
};

uint32_t cartlink_crc32c(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ kHalfByteCrc[crc & 15U];
        crc = (crc >> 4) ^ kHalfByteCrc[crc & 15U];
    }
    return ~crc;
}

size_t cartlink_frame_encode(const uint8_t *message, size_t size, uint8_t *frame)
{
    if (size == 0U || size > CARTLINK_MESSAGE_MAX) {
        return 0U;
    }
    const uint32_t crc = cartlink_crc32c(0U, message, size);
    size_t code_at = 0U;
    size_t used = 1U;
    for (size_t i = 0; i < size + CARTLINK_CRC_SIZE; i++) {
        const uint32_t part = i < size ? message[i] : crc >> (8U * (i - size));
        const uint8_t byte = (uint8_t)(part & 0xFFU);
        if (byte == 0U) {
            frame[code_at] = (uint8_t)(used - code_at);
            code_at = used++;
        } else {
            frame[used++] = byte; /* at most 132 in a row: the 254-byte rule of COBS cannot be met */
        }
    }
    frame[code_at] = (uint8_t)(used - code_at);
    frame[used++] = 0U;
    return used;
}

static void add_byte(cartlink_decoder *decoder, uint8_t byte)
{
    if (decoder->used < sizeof decoder->data) {
        decoder->data[decoder->used++] = byte;
    } else {
        decoder->overlong = true;
    }
}

static bool is_whole(const cartlink_decoder *decoder)
{
    if (decoder->overlong || decoder->left != 0U || decoder->used <= CARTLINK_CRC_SIZE) {
        return false;
    }
    const size_t size = (size_t)decoder->used - CARTLINK_CRC_SIZE;
    uint32_t crc = cartlink_crc32c(0U, decoder->data, size);
    for (size_t i = size; i < decoder->used; i++, crc >>= 8) {
        if (decoder->data[i] != (uint8_t)crc) {
            return false;
        }
    }
    return true;
}

size_t cartlink_decoder_feed(cartlink_decoder *decoder, uint8_t byte)
{
    if (decoder->code == 0U) {
        decoder->used = 0U; /* the last message stayed until now */
    }
    if (byte != 0U) {
        if (decoder->left == 0U) {
            if (decoder->code != 0U) {
                add_byte(decoder, 0U);
            }
            decoder->code = byte;
            decoder->left = (uint8_t)(byte - 1U);
        } else {
            add_byte(decoder, byte);
            decoder->left--;
        }
        return 0U;
    }
    if (decoder->code == 0U) {
        return 0U; /* nothing between two delimiters */
    }
    const bool whole = is_whole(decoder);
    if (!whole && decoder->bad != UINT32_MAX) {
        decoder->bad++;
    }
    decoder->code = 0U;
    decoder->left = 0U;
    decoder->overlong = false;
    return whole ? (size_t)decoder->used - CARTLINK_CRC_SIZE : 0U;
}
