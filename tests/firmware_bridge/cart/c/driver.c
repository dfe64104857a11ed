/* The C library on two pipes: a command a line in, what came of it out, then a line with ".". Bytes are hexadecimal.
 *
 *   crc BYTES | frame MESSAGE | decode BYTES | recode MESSAGE
 *   init NOW BOOT [NAME] | receive NOW BYTES | tick NOW | input NOW BUTTON PRESSED | bad */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cartlink.h"
#include "panel.h"
#include "pb_decode.h"
#include "pb_encode.h"

#define DRIVER_LINE 20000

static uint8_t bytes[DRIVER_LINE];

static size_t bytes_from_hex(const char *text)
{
    size_t size = 0U;
    unsigned value;
    while (sscanf(text + 2U * size, "%2x", &value) == 1) {
        bytes[size++] = (uint8_t)value;
    }
    return size;
}

static void print_hex(const char *name, const uint8_t *data, size_t size)
{
    (void)printf("%s ", name);
    for (size_t i = 0U; i < size; i++) {
        (void)printf("%02x", data[i]);
    }
    (void)printf("\n");
}

static void write_frame(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    print_hex("write", data, size);
}

static void show(void *context, const cartlink_view *view)
{
    uint8_t line[CART_PANEL_LINE];
    const cart_panel panel = {view, false, false, 0U};
    const size_t size = cart_panel_line(&panel, line);
    (void)context;
    (void)printf("show %.*s", (int)size, (const char *)line);
}

static void ring(void *context, cartlink_Signal signal)
{
    (void)context;
    (void)printf("ring %d\n", (int)signal);
}

static void decode(size_t size)
{
    cartlink_decoder decoder = {0};
    for (size_t i = 0U; i < size; i++) {
        const size_t length = cartlink_decoder_feed(&decoder, bytes[i]);
        if (length != 0U) {
            print_hex("message", decoder.data, length);
        }
    }
    (void)printf("bad %" PRIu32 "\n", decoder.bad);
}

static void recode(size_t size)
{
    uint8_t again[CARTLINK_MESSAGE_MAX];
    cartlink_Message message = cartlink_Message_init_zero;
    pb_istream_t in = pb_istream_from_buffer(bytes, size);
    pb_ostream_t out = pb_ostream_from_buffer(again, sizeof again);
    if (pb_decode(&in, cartlink_Message_fields, &message) && pb_encode(&out, cartlink_Message_fields, &message)) {
        print_hex("message", again, out.bytes_written);
    } else {
        (void)printf("refused\n");
    }
}

static void run_codec(const char *name, const char *rest)
{
    uint8_t frame[CARTLINK_FRAME_MAX];
    const size_t size = bytes_from_hex(rest);
    if (strcmp(name, "crc") == 0) {
        (void)printf("%" PRIu32 "\n", cartlink_crc32c(0U, bytes, size));
    } else if (strcmp(name, "frame") == 0) {
        print_hex("frame", frame, cartlink_frame_encode(bytes, size, frame));
    } else if (strcmp(name, "decode") == 0) {
        decode(size);
    } else if (strcmp(name, "recode") == 0) {
        recode(size);
    }
}

static void run_link(cartlink *link, const char *name, char *rest)
{
    const cartlink_hal hal = {write_frame, show, ring, NULL};
    const uint32_t now_ms = (uint32_t)strtoul(rest, &rest, 10);
    if (strcmp(name, "init") == 0) {
        const uint32_t boot_id = (uint32_t)strtoul(rest, &rest, 10);
        const size_t size = bytes_from_hex(rest + (*rest == ' '));
        static char text[64];
        (void)snprintf(text, sizeof text, "%.*s", (int)size, (const char *)bytes);
        const cartlink_config config = {boot_id, 31U, 24U, size == 0U ? "driver" : text};
        (void)printf("status %d\n", (int)cartlink_init(link, &hal, &config, now_ms));
    } else if (strcmp(name, "receive") == 0) {
        cartlink_receive(link, bytes, bytes_from_hex(rest + 1), now_ms);
    } else if (strcmp(name, "tick") == 0) {
        cartlink_tick(link, now_ms);
    } else if (strcmp(name, "input") == 0) {
        const unsigned button = (unsigned)strtoul(rest, &rest, 10);
        const bool pressed = strtoul(rest, &rest, 10) != 0UL;
        (void)printf("status %d\n", (int)cartlink_input(link, (cartlink_Button)button, pressed, now_ms));
    } else if (strcmp(name, "bad") == 0) {
        (void)printf("bad %" PRIu32 "\n", link->decoder.bad);
    }
}

int main(void)
{
    static char line[2 * DRIVER_LINE];
    static cartlink link;
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = strchr(line, ' ');
        if (rest == NULL) {
            rest = line + strlen(line);
        } else {
            *rest++ = '\0';
        }
        run_codec(line, rest);
        run_link(&link, line, rest);
        (void)printf(".\n");
        (void)fflush(stdout);
    }
    return 0;
}
