/* The link's time and keys; what comes from the box is in cartlink_box.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cartlink_box.h"

#include <string.h>

#include "pb_encode.h"

/* Size of printable ASCII; `limit` where it is longer, or is anything else: the box would drop such a Hello. */
static size_t text_size(const char *text, size_t limit)
{
    size_t size = 0U;
    while (size < limit && text[size] != '\0') {
        if (text[size] < ' ' || text[size] > '~') {
            return limit;
        }
        size++;
    }
    return size;
}

uint32_t cartlink_next_sequence(cartlink *link)
{
    link->sequence += link->sequence != UINT32_MAX ? 1U : 2U; /* 0 is none */
    return link->sequence;
}

void cartlink_send(cartlink *link, const cartlink_Message *message)
{
    uint8_t bytes[CARTLINK_MESSAGE_MAX];
    uint8_t frame[CARTLINK_FRAME_MAX];
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, sizeof bytes);
    if (pb_encode(&stream, cartlink_Message_fields, message)) { /* it fits: cartlink_Message_size is smaller */
        link->hal.write(link->hal.context, frame, cartlink_frame_encode(bytes, stream.bytes_written, frame));
    }
}

void cartlink_send_hello(cartlink *link, uint32_t now_ms)
{
    cartlink_Message message = cartlink_Message_init_zero;
    cartlink_Hello *hello = &message.body.hello;
    message.sequence = cartlink_next_sequence(link);
    message.which_body = cartlink_Message_hello_tag;
    hello->major = CARTLINK_MAJOR;
    hello->minor = CARTLINK_MINOR;
    hello->schema_hash = CARTLINK_SCHEMA_HASH;
    hello->role = cartlink_Role_ROLE_CART;
    hello->boot_id = link->config.boot_id;
    hello->heard_boot_id = link->box_boot_id;
    hello->ready = link->view.phase == CARTLINK_UP && link->tries <= CARTLINK_RETRIES;
    hello->refusal = link->own_refusal;
    hello->capabilities = link->config.capabilities;
    hello->rows = link->config.rows;
    (void)memcpy(hello->firmware, link->config.firmware, text_size(link->config.firmware, sizeof hello->firmware - 1U));
    cartlink_send(link, &message);
    link->hello_ms = now_ms;
}

void cartlink_set_phase(cartlink *link, uint32_t now_ms, cartlink_phase phase, cartlink_Refusal refusal)
{
    if (link->view.phase == phase && link->view.refusal == refusal) {
        return;
    }
    if (link->view.attention != cartlink_LampPattern_LAMP_PATTERN_OFF) {
        link->lamp_ms = now_ms; /* a link that comes and goes must not flash the lamp */
    }
    (void)memset(&link->view, 0, sizeof link->view); /* what an absent box said is not known to be true any more */
    link->view.phase = phase;
    link->view.refusal = refusal;
    (void)memset(&link->result, 0, sizeof link->result);
    link->box_ai_on = false;
    link->is_result_fresh = false;
    link->wanted = cartlink_LampPattern_LAMP_PATTERN_OFF;
    link->tries = 0U;
    link->is_changed = true;
}

static void send_press(cartlink *link, uint32_t now_ms)
{
    const cartlink_press *press = &link->queue[0];
    cartlink_Message message = cartlink_Message_init_zero;
    if (link->press_sequence == 0U) {
        link->press_sequence = cartlink_next_sequence(link);
    }
    message.sequence = link->press_sequence;
    message.which_body = cartlink_Message_input_tag;
    message.body.input.event_id = press->event_id;
    message.body.input.button = press->button;
    message.body.input.pressed = press->pressed;
    message.body.input.time_ms = press->time_ms;
    message.body.input.age_ms = now_ms - press->time_ms;
    cartlink_send(link, &message);
    link->press_ms = now_ms;
    link->tries++;
}

static void serve_presses(cartlink *link, uint32_t now_ms)
{
    if (link->queued == 0U || (link->tries != 0U && now_ms - link->press_ms < CARTLINK_RETRY_MS)) {
        return;
    }
    if (link->tries > CARTLINK_RETRIES) { /* another box, or a slow disk: the lamps stay while it speaks */
        if (link->tries != CARTLINK_ASKED || now_ms - link->hello_ms >= CARTLINK_HELLO_MS) {
            link->tries = CARTLINK_ASKED;
            cartlink_send_hello(link, now_ms);
        }
        return;
    }
    send_press(link, now_ms);
}

void cartlink_press_done(cartlink *link, uint32_t now_ms)
{
    link->queued--;
    for (uint8_t i = 0U; i < link->queued; i++) {
        link->queue[i] = link->queue[i + 1U];
    }
    link->tries = 0U;
    link->press_sequence = 0U;
    serve_presses(link, now_ms);
}

static void send_health(cartlink *link, uint32_t now_ms)
{
    cartlink_Message message = cartlink_Message_init_zero;
    message.sequence = cartlink_next_sequence(link);
    message.which_body = cartlink_Message_health_tag;
    message.body.health.uptime_s = link->uptime_s;
    message.body.health.bad_frames = link->decoder.bad;
    message.body.health.lost_inputs = link->lost_inputs;
    cartlink_send(link, &message);
    link->health_ms = now_ms;
}

static void show_lamp(cartlink *link, uint32_t now_ms)
{
    if (link->wanted != link->view.attention && now_ms - link->lamp_ms >= CARTLINK_LAMP_MS) {
        link->view.attention = link->wanted;
        link->lamp_ms = now_ms;
        link->is_changed = true;
    }
}

static void show_result(cartlink *link, uint32_t now_ms)
{
    const uint32_t left_ms = link->result_end_ms - now_ms;
    if (left_ms == 0U || left_ms > CARTLINK_RESULT_MS) {
        link->is_result_fresh = false; /* stays so until a newer one comes, however far the clock wraps */
    }
    const bool on = link->view.phase == CARTLINK_UP && link->box_ai_on && link->is_result_fresh;
    if (on) {
        link->view.result = link->result;
    } else {
        (void)memset(&link->view.result, 0, sizeof link->view.result);
    }
    if (on != link->view.ai_on) {
        link->view.ai_on = on;
        link->is_changed = true;
    }
}

/* An age stops at half of the clock's range: a press that waited for weeks must not be young again at the wrap. */
static void hold_ages(cartlink *link, uint32_t now_ms)
{
    for (uint8_t i = 0U; i < link->queued; i++) {
        if (now_ms - link->queue[i].time_ms > (uint32_t)INT32_MAX) {
            link->queue[i].time_ms = now_ms - (uint32_t)INT32_MAX;
        }
    }
}

static void count_seconds(cartlink *link, uint32_t now_ms)
{
    const uint32_t seconds = (now_ms - link->second_ms) / 1000U;
    link->uptime_s += seconds;
    link->second_ms += seconds * 1000U;
    cartlink_forget_rings(link, now_ms);
}

void cartlink_tick(cartlink *link, uint32_t now_ms)
{
    count_seconds(link, now_ms);
    hold_ages(link, now_ms);
    if (link->view.phase == CARTLINK_UP) {
        if (now_ms - link->heard_ms >= CARTLINK_SILENCE_MS) {
            cartlink_set_phase(link, now_ms, CARTLINK_DOWN, cartlink_Refusal_REFUSAL_NONE);
            cartlink_send_hello(link, now_ms);
        } else {
            if (now_ms - link->health_ms >= CARTLINK_HEALTH_MS) {
                send_health(link, now_ms);
            }
            serve_presses(link, now_ms);
        }
    } else if (now_ms - link->hello_ms >=
               (link->view.phase == CARTLINK_REFUSED ? CARTLINK_REFUSED_MS : CARTLINK_HELLO_MS)) {
        cartlink_send_hello(link, now_ms);
    }
    show_lamp(link, now_ms);
    show_result(link, now_ms);
    if (link->is_changed) {
        link->is_changed = false;
        link->hal.show(link->hal.context, &link->view);
    }
}

cartlink_status cartlink_input(cartlink *link, cartlink_Button button, bool pressed, uint32_t now_ms)
{
    if (button != cartlink_Button_BUTTON_FREEZE && button != cartlink_Button_BUTTON_FOOT) {
        return CARTLINK_ARGUMENT;
    }
    if (link->queued == CARTLINK_QUEUE) {
        link->lost_inputs += link->lost_inputs != UINT32_MAX ? 1U : 0U;
        return CARTLINK_FULL;
    }
    const cartlink_press press = {++link->event_id, now_ms, button, pressed};
    link->queue[link->queued++] = press;
    cartlink_tick(link, now_ms);
    return CARTLINK_OK;
}

cartlink_status cartlink_init(cartlink *link, const cartlink_hal *hal, const cartlink_config *config, uint32_t now_ms)
{
    if (hal->write == NULL || hal->show == NULL || hal->ring == NULL || config->boot_id == 0U ||
        config->rows > CARTLINK_ROWS || config->firmware == NULL || text_size(config->firmware, 32U) > 31U ||
        config->firmware[0] == '\0') {
        return CARTLINK_ARGUMENT;
    }
    (void)memset(link, 0, sizeof *link);
    link->hal = *hal;
    link->config = *config;
    link->second_ms = now_ms;
    link->lamp_ms = now_ms - CARTLINK_LAMP_MS;
    link->hello_ms = now_ms - CARTLINK_HELLO_MS;
    link->is_changed = true;
    cartlink_tick(link, now_ms);
    return CARTLINK_OK;
}
