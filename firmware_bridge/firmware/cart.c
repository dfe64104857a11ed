/* One loop: bytes in, keys, time, lamps out, sleep.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cart.h"

#include <string.h>

static void write_link(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    (void)board_write(BOARD_LINK, data, size); /* not taken: lost as on the line, the link repeats */
}

static void show(void *context, const cartlink_view *view)
{
    cart *self = context;
    (void)view; /* read in write_panel: blinking needs the time as well */
    self->is_stale = true;
}

static void ring(void *context, cartlink_Signal signal)
{
    cart *self = context;
    self->signal = signal;
    self->signal_ms = self->now_ms; /* a later one would be ahead of the turn, and the bell be over at once */
    self->rung++;
}

/* Whether the bell sounds `at_ms` after the signal began: 80 ms; 80, pause 80, 80; 400. */
static bool is_sounding(cartlink_Signal signal, uint32_t at_ms)
{
    switch (signal) {
    case cartlink_Signal_SIGNAL_CAPTURED:
        return at_ms < 80U;
    case cartlink_Signal_SIGNAL_COMPLETE:
        return at_ms < 80U || (at_ms >= 160U && at_ms < 240U);
    case cartlink_Signal_SIGNAL_ATTENTION:
        return at_ms < 400U;
    default:
        return false;
    }
}

static void read_panel(cart *self, uint32_t now_ms)
{
    uint8_t letter;
    while (board_read(BOARD_PANEL, &letter, 1U) == 1U) {
        switch (letter) {
        case 'F':
        case 'f':
            self->freeze_level = letter == 'F';
            break;
        case 'S':
        case 's':
            self->foot_level = letter == 'S';
            break;
        case 'e':
            self->clean_level = !self->clean_level;
            (void)cartlink_input(&self->link, cartlink_Button_BUTTON_FOOT, self->clean_level, now_ms);
            break;
        default:
            break;
        }
    }
}

static void read_keys(cart *self, uint32_t now_ms)
{
    if (cart_key_changed(&self->freeze, self->freeze_level, now_ms)) {
        (void)cartlink_input(&self->link, cartlink_Button_BUTTON_FREEZE, self->freeze.pressed, now_ms);
    }
    if (cart_key_changed(&self->foot, self->foot_level, now_ms)) {
        (void)cartlink_input(&self->link, cartlink_Button_BUTTON_FOOT, self->foot.pressed, now_ms);
    }
}

static void write_panel(cart *self, uint32_t now_ms)
{
    const cartlink_view *view = &self->link.view;
    cart_panel panel = {view, view->attention != cartlink_LampPattern_LAMP_PATTERN_OFF, false, self->rung};
    if (view->attention == cartlink_LampPattern_LAMP_PATTERN_BLINK) {
        panel.attention = (now_ms / CART_BLINK_MS) % 2U == 0U;
    }
    panel.bell = is_sounding(self->signal, now_ms - self->signal_ms);
    if (!panel.bell && now_ms - self->signal_ms >= 400U) {
        self->signal = cartlink_Signal_SIGNAL_UNKNOWN;
    }
    if (self->is_stale || panel.attention != self->panel.attention || panel.bell != self->panel.bell) {
        uint8_t line[CART_PANEL_LINE];
        self->is_stale = !board_write(BOARD_PANEL, line, cart_panel_line(&panel, line));
        self->panel = panel;
    }
}

bool cart_run(cart *self)
{
    const cartlink_hal hal = {write_link, show, ring, self};
    const cartlink_config config = {
        .boot_id = board_boot_id(),
        .capabilities = cartlink_Capability_CAPABILITY_LAMP | cartlink_Capability_CAPABILITY_BELL |
                        cartlink_Capability_CAPABILITY_FREEZE_KEY | cartlink_Capability_CAPABILITY_FOOT_SWITCH |
                        cartlink_Capability_CAPABILITY_CHECKLIST,
        .rows = CART_ROWS,
        .firmware = "vmamba-edge reference cart 1.0",
    };
    (void)memset(self, 0, sizeof *self);
    if (cartlink_init(&self->link, &hal, &config, board_now_ms()) != CARTLINK_OK) {
        return false;
    }
    do {
        uint8_t bytes[64]; /* once a turn: a line that never rests must not stop the time, and with it "AI off" */
        const uint32_t now_ms = board_now_ms();
        self->now_ms = now_ms;
        cartlink_receive(&self->link, bytes, board_read(BOARD_LINK, bytes, sizeof bytes), now_ms);
        read_panel(self, now_ms);
        read_keys(self, now_ms);
        write_panel(self, now_ms);
    } while (board_sleep());
    return true;
}
