/* The shortest cart: copy it, and write the nine `my_...` functions for your board. The library does the rest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cartlink.h"

uint32_t my_milliseconds(void);                            /* monotonic; wraps at 2^32 */
uint32_t my_boot_number(void);                             /* not 0, another one at each start: count it in flash */
size_t my_uart_read(uint8_t *data, size_t room);           /* what the receive interrupt has put aside; does not wait */
void my_uart_send(const uint8_t *data, size_t size);       /* copy into the transmit buffer, whole or not at all */
bool my_freeze_key(void);                                  /* debounced */
void my_ai_lamp(bool on);                                  /* dark means "AI off": a broken lamp must not say "on" */
void my_attention_lamp(bool on, bool blinking);
void my_plane_lamp(uint8_t row, bool captured, bool weak); /* 0 to 31 */
void my_bell(cartlink_Signal signal);                      /* start a tone; does not wait */

static void write_line(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    my_uart_send(data, size);
}

static void show(void *context, const cartlink_view *view)
{
    (void)context;
    my_ai_lamp(view->ai_on);
    my_attention_lamp(view->attention != cartlink_LampPattern_LAMP_PATTERN_OFF,
                      view->attention == cartlink_LampPattern_LAMP_PATTERN_BLINK);
    for (uint8_t row = 0U; row < CARTLINK_ROWS; row++) {
        const uint32_t bit = (uint32_t)1U << row;
        my_plane_lamp(row, (view->checklist.captured & bit) != 0U, (view->checklist.low_quality & bit) != 0U);
    }
}

static void ring(void *context, cartlink_Signal signal)
{
    (void)context;
    my_bell(signal);
}

int main(void)
{
    static cartlink link;
    const cartlink_hal hal = {write_line, show, ring, NULL};
    const cartlink_config config = {
        .boot_id = my_boot_number(),
        .capabilities = cartlink_Capability_CAPABILITY_LAMP | cartlink_Capability_CAPABILITY_BELL |
                        cartlink_Capability_CAPABILITY_FREEZE_KEY | cartlink_Capability_CAPABILITY_CHECKLIST,
        .rows = CARTLINK_ROWS,
        .firmware = "my cart 1.0",
    };
    bool was_pressed = false;
    if (cartlink_init(&link, &hal, &config, my_milliseconds()) != CARTLINK_OK) {
        return 1;
    }
    for (;;) {
        uint8_t bytes[64];
        cartlink_receive(&link, bytes, my_uart_read(bytes, sizeof bytes), my_milliseconds()); /* lets time pass as well */
        const bool pressed = my_freeze_key();
        if (pressed != was_pressed) {
            (void)cartlink_input(&link, cartlink_Button_BUTTON_FREEZE, pressed, my_milliseconds());
            was_pressed = pressed;
        }
    }
}
