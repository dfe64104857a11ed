/* What the box says, one function a message.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cartlink_box.h"

#include <string.h>

#include "pb_decode.h"

static cartlink_Refusal refusal_of(const cartlink_Hello *hello)
{
    if (hello->major != CARTLINK_MAJOR) {
        return cartlink_Refusal_REFUSAL_MAJOR;
    }
    if (hello->schema_hash != CARTLINK_SCHEMA_HASH) {
        return cartlink_Refusal_REFUSAL_SCHEMA;
    }
    return hello->role == cartlink_Role_ROLE_BOX ? cartlink_Refusal_REFUSAL_NONE : cartlink_Refusal_REFUSAL_ROLE;
}

static void take_hello(cartlink *link, const cartlink_Hello *hello, uint32_t now_ms)
{
    link->own_refusal = refusal_of(hello);
    if (link->own_refusal != cartlink_Refusal_REFUSAL_NONE || hello->refusal != cartlink_Refusal_REFUSAL_NONE) {
        const bool own = link->own_refusal != cartlink_Refusal_REFUSAL_NONE;
        cartlink_set_phase(link, now_ms, CARTLINK_REFUSED, own ? link->own_refusal : hello->refusal);
        return;
    }
    if (hello->boot_id == 0U) {
        return;
    }
    if (hello->boot_id != link->box_boot_id) {
        cartlink_set_phase(link, now_ms, CARTLINK_DOWN, cartlink_Refusal_REFUSAL_NONE);
        link->box_boot_id = hello->boot_id;
        link->event_seen = 0U;
    }
    if (hello->heard_boot_id == link->config.boot_id) {
        if (link->view.phase != CARTLINK_UP) {
            cartlink_set_phase(link, now_ms, CARTLINK_UP, cartlink_Refusal_REFUSAL_NONE);
            link->health_ms = now_ms - CARTLINK_HEALTH_MS;
        } else if (link->tries > CARTLINK_RETRIES) {
            link->tries = 0U; /* the same press again, with all its repeats */
        }
        link->heard_ms = now_ms;
    } else {
        cartlink_set_phase(link, now_ms, CARTLINK_DOWN, cartlink_Refusal_REFUSAL_NONE);
    }
    if (!hello->ready) {
        cartlink_send_hello(link, now_ms);
    }
}

static void acknowledge(cartlink *link, uint32_t sequence, cartlink_Status status)
{
    cartlink_Message message = cartlink_Message_init_zero;
    message.sequence = cartlink_next_sequence(link);
    message.which_body = cartlink_Message_ack_tag;
    message.body.ack.sequence = sequence;
    message.body.ack.status = status;
    cartlink_send(link, &message);
}

static cartlink_Status status_of_led(cartlink *link, const cartlink_Led *led)
{
    if (led->lamp != cartlink_Lamp_LAMP_ATTENTION || (uint32_t)led->pattern > cartlink_LampPattern_LAMP_PATTERN_BLINK) {
        return cartlink_Status_STATUS_UNKNOWN;
    }
    link->wanted = led->pattern;
    return cartlink_Status_STATUS_OK;
}

void cartlink_forget_rings(cartlink *link, uint32_t now_ms)
{
    while (link->rings != 0U && now_ms - link->rung_ms[0] >= CARTLINK_BELL_WINDOW_MS) {
        link->rings--;
        (void)memmove(&link->rung_ms[0], &link->rung_ms[1], link->rings * sizeof link->rung_ms[0]);
    }
}

static cartlink_Status status_of_buzz(cartlink *link, const cartlink_Buzz *buzz, uint32_t now_ms)
{
    if (buzz->signal == cartlink_Signal_SIGNAL_UNKNOWN || (uint32_t)buzz->signal > cartlink_Signal_SIGNAL_ATTENTION) {
        return cartlink_Status_STATUS_UNKNOWN;
    }
    cartlink_forget_rings(link, now_ms);
    if (link->rings == CARTLINK_BELL_IN_WINDOW ||
        (link->rings != 0U && now_ms - link->rung_ms[link->rings - 1U] < CARTLINK_BELL_MS)) {
        return cartlink_Status_STATUS_RATE_LIMITED;
    }
    link->rung_ms[link->rings++] = now_ms;
    link->hal.ring(link->hal.context, buzz->signal);
    return cartlink_Status_STATUS_OK;
}

static void take_command(cartlink *link, const cartlink_Message *message, uint32_t now_ms)
{
    const bool is_led = message->which_body == cartlink_Message_led_tag;
    const uint32_t event_id = is_led ? message->body.led.event_id : message->body.buzz.event_id;
    if (event_id > link->event_seen) {
        link->event_seen = event_id;
        link->event_status = is_led ? status_of_led(link, &message->body.led)
                                    : status_of_buzz(link, &message->body.buzz, now_ms);
    }
    acknowledge(link, message->sequence, link->event_status);
}

static void take_result(cartlink *link, const cartlink_PlaneResult *result, uint32_t now_ms)
{
    cartlink_PlaneResult shown = *result;
    if (shown.answer == cartlink_Answer_ANSWER_NONE || (uint32_t)shown.answer > cartlink_Answer_ANSWER_NOT_COVERED) {
        (void)memset(&shown, 0, sizeof shown);
        shown.age_ms = UINT32_MAX;
    }
    if ((uint32_t)shown.confidence > cartlink_Confidence_CONFIDENCE_HIGH) {
        shown.confidence = cartlink_Confidence_CONFIDENCE_NONE;
    }
    for (const char *letter = shown.plane; *letter != '\0'; letter++) {
        if (*letter < ' ' || *letter > '~') {
            (void)memset(shown.plane, 0, sizeof shown.plane); /* nothing is better than a garbled name */
            break;
        }
    }
    link->is_result_fresh = shown.age_ms < CARTLINK_RESULT_MS;
    link->result_end_ms = now_ms + CARTLINK_RESULT_MS - shown.age_ms;
    link->result = shown;
    link->is_changed = true;
}

static void take_checklist(cartlink *link, const cartlink_Checklist *list)
{
    cartlink_Checklist shown = *list;
    shown.total = shown.total > CARTLINK_ROWS ? CARTLINK_ROWS : shown.total;
    const uint32_t rows = shown.total == CARTLINK_ROWS ? UINT32_MAX : ((uint32_t)1U << shown.total) - 1U;
    shown.captured &= rows;
    shown.low_quality &= rows;
    shown.not_obtainable &= rows;
    shown.not_covered &= rows;
    if (!shown.is_open) {
        (void)memset(&shown, 0, sizeof shown);
    }
    link->view.checklist = shown;
    link->is_changed = true;
}

static void take_time_sync(cartlink *link, const cartlink_TimeSync *question, uint32_t now_ms)
{
    if (question->is_answer) {
        return; /* this side asks nothing */
    }
    cartlink_Message message = cartlink_Message_init_zero;
    message.sequence = cartlink_next_sequence(link);
    message.which_body = cartlink_Message_time_sync_tag;
    message.body.time_sync.is_answer = true;
    message.body.time_sync.sent_ms = now_ms;
    message.body.time_sync.echo_ms = question->sent_ms;
    cartlink_send(link, &message);
}

static void take_health(cartlink *link, const cartlink_Health *health, uint32_t now_ms)
{
    const uint32_t age_ms = health->has_result ? health->result_age_ms : UINT32_MAX;
    const uint32_t left_ms = link->result_end_ms - now_ms; /* more than CARTLINK_RESULT_MS: it has passed */
    link->box_ai_on = health->ai_on;
    if (age_ms >= CARTLINK_RESULT_MS) {
        link->is_result_fresh = false;
    } else if (left_ms <= CARTLINK_RESULT_MS && CARTLINK_RESULT_MS - age_ms < left_ms) {
        link->result_end_ms = now_ms + CARTLINK_RESULT_MS - age_ms; /* only sooner: its result may have been lost */
    }
}

static void take_message(cartlink *link, const cartlink_Message *message, uint32_t now_ms)
{
    if (message->which_body == cartlink_Message_hello_tag) {
        take_hello(link, &message->body.hello, now_ms);
        return;
    }
    if (link->view.phase != CARTLINK_UP) {
        return; /* from before the agreement: it may be for another boot of this cart */
    }
    link->heard_ms = now_ms;
    switch (message->which_body) {
    case cartlink_Message_ack_tag:
        if (link->tries != 0U && message->body.ack.sequence == link->press_sequence) {
            cartlink_press_done(link, now_ms);
        }
        break;
    case cartlink_Message_plane_result_tag:
        take_result(link, &message->body.plane_result, now_ms);
        break;
    case cartlink_Message_checklist_tag:
        take_checklist(link, &message->body.checklist);
        break;
    case cartlink_Message_led_tag:
    case cartlink_Message_buzz_tag:
        take_command(link, message, now_ms);
        break;
    case cartlink_Message_health_tag:
        take_health(link, &message->body.health, now_ms);
        break;
    case cartlink_Message_time_sync_tag:
        take_time_sync(link, &message->body.time_sync, now_ms);
        break;
    default: /* Input is the cart's own; a newer minor version's message is none of ours */
        break;
    }
}

static void take_bytes(cartlink *link, size_t length, uint32_t now_ms)
{
    cartlink_Message message = cartlink_Message_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(link->decoder.data, length);
    if (pb_decode(&stream, cartlink_Message_fields, &message)) {
        take_message(link, &message, now_ms);
    } else if (link->decoder.bad != UINT32_MAX) {
        link->decoder.bad++; /* whole, but no Message */
    }
}

void cartlink_receive(cartlink *link, const uint8_t *data, size_t size, uint32_t now_ms)
{
    for (size_t i = 0; i < size; i++) {
        const size_t length = cartlink_decoder_feed(&link->decoder, data[i]);
        if (length != 0U) {
            take_bytes(link, length, now_ms);
        }
    }
    cartlink_tick(link, now_ms);
}
