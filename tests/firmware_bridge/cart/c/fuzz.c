/* Random bytes against decoder and link: libFuzzer target, and a program of its own where there is no libFuzzer.
 *
 *   clang -fsanitize=fuzzer,address,undefined -DCARTLINK_FUZZ_LIBFUZZER ...   ./fuzz CORPUS
 *   gcc -fsanitize=address,undefined ...                                      ./fuzz INPUTS SEED
 *
 * An input is a script: each byte is a step (time passes, a key, raw bytes, a well-framed mutant of a message), so that
 * the deep states (up, refused, full queue) are reached and not only the CRC's refusal.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cartlink.h"
#include "pb_decode.h"
#include "pb_encode.h"

typedef struct {
    uint32_t heard_boot_id;
    uint32_t rings;
    uint32_t rung_ms;
    uint32_t now_ms;
} board;

static void check(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "violated: %s\n", what);
        abort();
    }
}

static void write_frame(void *context, const uint8_t *data, size_t size)
{
    cartlink_decoder decoder = {0};
    cartlink_Message message = cartlink_Message_init_zero;
    size_t length = 0U;
    (void)context;
    check(size >= 7U && size <= CARTLINK_FRAME_MAX, "frame size");
    for (size_t i = 0; i < size; i++) {
        length = cartlink_decoder_feed(&decoder, data[i]);
    }
    pb_istream_t stream = pb_istream_from_buffer(decoder.data, length);
    check(length != 0U && pb_decode(&stream, cartlink_Message_fields, &message), "own frames are good");
}

static void show(void *context, const cartlink_view *view)
{
    (void)context;
    check(view->phase == CARTLINK_UP || (!view->ai_on && view->checklist.total == 0U), "an absent box shows nothing");
    check(view->ai_on || view->result.answer == cartlink_Answer_ANSWER_NONE, "no result while the AI is off");
    check(view->checklist.total <= CARTLINK_ROWS, "rows");
    check((view->phase == CARTLINK_REFUSED) == (view->refusal != cartlink_Refusal_REFUSAL_NONE), "refusal");
}

static void ring(void *context, cartlink_Signal signal)
{
    board *state = context;
    (void)signal;
    check(state->rings == 0U || state->now_ms - state->rung_ms >= CARTLINK_BELL_MS, "bell limit");
    state->rings++;
    state->rung_ms = state->now_ms;
}

static void feed_message(cartlink *link, board *state, const uint8_t *data, size_t size)
{
    uint8_t frame[CARTLINK_FRAME_MAX];
    size = size > CARTLINK_MESSAGE_MAX ? CARTLINK_MESSAGE_MAX : size;
    cartlink_receive(link, frame, cartlink_frame_encode(data, size, frame), state->now_ms);
}

static void feed_hello(cartlink *link, board *state, uint8_t kind)
{
    uint8_t bytes[CARTLINK_MESSAGE_MAX];
    cartlink_Message message = cartlink_Message_init_zero;
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    message.which_body = cartlink_Message_hello_tag;
    message.body.hello.major = (uint16_t)(CARTLINK_MAJOR + (kind == 7U ? 1U : 0U));
    message.body.hello.schema_hash = CARTLINK_SCHEMA_HASH + (kind == 6U ? 1U : 0U);
    message.body.hello.role = kind == 5U ? cartlink_Role_ROLE_CART : cartlink_Role_ROLE_BOX;
    message.body.hello.boot_id = 1U + (kind & 1U);
    message.body.hello.heard_boot_id = kind == 4U ? 0U : 77U;
    message.body.hello.ready = (kind & 2U) != 0U;
    check(pb_encode(&stream, cartlink_Message_fields, &message), "hello");
    feed_message(link, state, bytes, stream.bytes_written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    board state = {0};
    cartlink link;
    const cartlink_hal hal = {write_frame, show, ring, &state};
    const cartlink_config config = {77U, 31U, 8U, "fuzz"};
    state.now_ms = 0xFFFFF000U; /* the clock wraps soon */
    check(cartlink_init(&link, &hal, &config, state.now_ms) == CARTLINK_OK, "init");
    for (size_t at = 0U; at < size;) {
        const uint8_t step = data[at++];
        const size_t left = size - at;
        const size_t part = left < (size_t)(step >> 1) ? left : (size_t)(step >> 1);
        switch (step & 7U) {
        case 0U:
            state.now_ms += (uint32_t)(step >> 3) * 50U;
            cartlink_tick(&link, state.now_ms);
            break;
        case 1U:
            (void)cartlink_input(&link, (cartlink_Button)(step >> 6), (step & 8U) != 0U, state.now_ms);
            break;
        case 2U:
            feed_hello(&link, &state, step >> 5);
            break;
        case 3U:
            cartlink_receive(&link, data + at, part, state.now_ms);
            at += part;
            break;
        default:
            feed_message(&link, &state, data + at, part);
            at += part;
            break;
        }
        check(link.queued <= CARTLINK_QUEUE && link.rings <= CARTLINK_BELL_IN_WINDOW, "bounds");
    }
    return 0;
}

#ifndef CARTLINK_FUZZ_LIBFUZZER
/* xorshift64*, Vigna 2016: the same inputs on every machine. */
static uint64_t next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

/* A body of the schema with random numbers in it: what plain noise would not hit in a lifetime. */
static size_t body_into(uint8_t *out, uint64_t *seed)
{
    size_t used = 0U;
    out[used++] = (uint8_t)(0x12U + 8U * (next(seed) % 9U));
    const size_t fields = next(seed) % 5U;
    out[used++] = (uint8_t)(2U * fields);
    for (size_t i = 0U; i < fields; i++) {
        out[used++] = (uint8_t)(8U * (1U + next(seed) % 7U));
        out[used++] = (uint8_t)(next(seed) % 128U);
    }
    return used;
}

static size_t script_into(uint8_t *out, size_t room, uint64_t *seed)
{
    size_t used = 0U;
    const size_t wanted = next(seed) % room;
    out[used++] = (uint8_t)(2U | (next(seed) << 5)); /* a Hello */
    while (used + 16U < wanted) {
        const uint64_t draw = next(seed);
        if ((draw & 3U) == 0U) {
            const size_t size = body_into(out + used + 1U, seed);
            out[used] = (uint8_t)(size << 1);
            out[used] = (uint8_t)((out[used] & 0xF8U) | 4U); /* a few bytes less: truncated bodies too */
            used += 1U + size;
        } else {
            out[used++] = (uint8_t)(draw >> 8);
        }
    }
    return used;
}

int main(int count, char **words)
{
    const unsigned long inputs = count > 1 ? strtoul(words[1], NULL, 10) : 1000UL;
    uint64_t seed = count > 2 ? strtoull(words[2], NULL, 10) : 1ULL;
    uint8_t script[256];
    seed = seed * 0x9E3779B97F4A7C15ULL + 1ULL;
    for (unsigned long i = 0UL; i < inputs; i++) {
        uint8_t *copy = NULL;
        const size_t size = script_into(script, sizeof script, &seed);
        copy = malloc(size); /* of the exact size: a read behind its end is seen */
        check(copy != NULL, "memory");
        (void)memcpy(copy, script, size);
        (void)LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
    (void)printf("%lu inputs\n", inputs);
    return 0;
}
#endif
