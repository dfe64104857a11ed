/* The cart's side of the cart link (../proto/cart.proto: the messages and the rules).
 *
 *   UART bytes --> cartlink_receive --.                        .--> hal.write   a frame for the UART
 *   1 ms timer --> cartlink_tick -----+--> struct cartlink ----+--> hal.show    lamps: "AI off", checklist, attention
 *   keys -------> cartlink_input -----'                        '--> hal.ring    bell
 *
 * C99. No allocation, no global state, nothing of libc but mem*. The caller owns the memory: one `cartlink`, about 600
 * bytes. Call all functions of one link from one context (the main loop, not an interrupt); hal functions must not call
 * back.
 * `now_ms` is any monotonic clock in milliseconds; it may start anywhere and wraps at 2^32. Call cartlink_tick at least
 * each 10 ms. No message can change the scanner's state: keys are reports, lamps and bell the only outputs.
 * The limits of lamp and bell are kept here, whatever the box sends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CARTLINK_H
#define CARTLINK_H

#include "cart.pb.h"
#include "cartlink_frame.h"
#include "cartlink_schema.h"

#define CARTLINK_QUEUE 16U          /* presses that may wait; a person makes fewer than 10 a second */
#define CARTLINK_RETRY_MS 50U       /* without Ack, then again */
#define CARTLINK_RETRIES 5U         /* then Hello again, until the box answers or is silent */
#define CARTLINK_HELLO_MS 250U      /* between two, while the link is down */
#define CARTLINK_REFUSED_MS 1000U   /* between two, while it is refused */
#define CARTLINK_HEALTH_MS 1000U    /* heartbeat */
#define CARTLINK_SILENCE_MS 2000U   /* without a good frame the link is down */
#define CARTLINK_RESULT_MS 2000U    /* an older result is none: "AI off" */
#define CARTLINK_LAMP_MS 500U       /* between two changes of a lamp: 1 flash a second; WCAG 2.3.1 allows 3 */
#define CARTLINK_BELL_MS 1000U      /* between two signals */
#define CARTLINK_BELL_WINDOW_MS 60000U
#define CARTLINK_BELL_IN_WINDOW 10U /* signals in any such window; alarm fatigue */
#define CARTLINK_ROWS 32U           /* rows of a checklist at most */

typedef enum {
    CARTLINK_OK = 0,
    CARTLINK_ARGUMENT = 1, /* an argument is out of its range; nothing was done */
    CARTLINK_FULL = 2      /* the queue is full; this press is lost and counted in Health.lost_inputs */
} cartlink_status;

typedef enum {
    CARTLINK_DOWN = 0,   /* nobody there, or not yet agreed */
    CARTLINK_UP = 1,
    CARTLINK_REFUSED = 2 /* box and cart do not fit: see `refusal` */
} cartlink_phase;

/* What the cart shows. While the link is not up, `result` and `checklist` are zero, `attention` is off. */
typedef struct {
    cartlink_phase phase;
    cartlink_Refusal refusal;         /* REFUSAL_NONE unless CARTLINK_REFUSED */
    bool ai_on;                       /* false: show "AI off", whatever else is lit */
    cartlink_LampPattern attention;   /* changes at most each CARTLINK_LAMP_MS; off with the link at once */
    cartlink_PlaneResult result;      /* zero while ai_on is false; age_ms as it came */
    cartlink_Checklist checklist;     /* total <= CARTLINK_ROWS, no mask bit at or above `total` */
} cartlink_view;

/* What the board does for the link. */
typedef struct {
    /* Send `size` bytes, 7 to CARTLINK_FRAME_MAX: take all of them (copied) or none; a frame that was not taken is like
     * one lost on the line. Must not wait. */
    void (*write)(void *context, const uint8_t *data, size_t size);
    /* Something in the view may have changed. `view` is valid during the call. */
    void (*show)(void *context, const cartlink_view *view);
    /* Ring the bell; one of the three named signals. Must not wait. */
    void (*ring)(void *context, cartlink_Signal signal);
    void *context; /* handed to all three */
} cartlink_hal;

/* Who this cart is. */
typedef struct {
    uint32_t boot_id;      /* not 0; another one at each start: a counter in flash, a random number, never a constant */
    uint32_t capabilities; /* bits of cartlink_Capability */
    uint8_t rows;          /* checklist lamps, 0 to CARTLINK_ROWS */
    const char *firmware;  /* name and version, printable ASCII, 1 to 31 bytes; not copied: must outlive the link */
} cartlink_config;

typedef struct {
    uint32_t event_id;
    uint32_t time_ms;
    cartlink_Button button;
    bool pressed;
} cartlink_press;

/* One link. Read `view`; leave the rest to the functions below. */
typedef struct {
    cartlink_view view;
    cartlink_hal hal;
    cartlink_config config;
    cartlink_decoder decoder;
    cartlink_PlaneResult result; /* the newest, shown or not */
    cartlink_press queue[CARTLINK_QUEUE]; /* oldest first; queue[0] is on its way */
    uint8_t queued;
    uint8_t tries;             /* of queue[0] since the box's last Hello */
    bool is_changed;           /* hal.show is due */
    bool box_ai_on;            /* Health.ai_on */
    bool is_result_fresh;
    cartlink_Refusal own_refusal; /* of the box, by this side */
    uint8_t rings;             /* in `rung_ms`, oldest first */
    cartlink_LampPattern wanted;
    cartlink_Status event_status;
    uint32_t box_boot_id;
    uint32_t event_seen;       /* newest event_id of that boot */
    uint32_t sequence;         /* last one used */
    uint32_t press_sequence;   /* of queue[0] */
    uint32_t event_id;         /* last one used */
    uint32_t lost_inputs;
    uint32_t uptime_s;
    uint32_t second_ms, hello_ms, health_ms, heard_ms, press_ms, lamp_ms, result_end_ms;
    uint32_t rung_ms[CARTLINK_BELL_IN_WINDOW];
} cartlink;

/* Begin. `link`, `hal` and `config` are not NULL; the latter two are copied.
 * CARTLINK_ARGUMENT: a function or text is missing or a value is out of range; then do not use the link. */
cartlink_status cartlink_init(cartlink *link, const cartlink_hal *hal, const cartlink_config *config, uint32_t now_ms);

/* Take bytes from the line, any number, as they come. */
void cartlink_receive(cartlink *link, const uint8_t *data, size_t size, uint32_t now_ms);

/* Let time pass: repeats, heartbeat, "AI off". */
void cartlink_tick(cartlink *link, uint32_t now_ms);

/* A key went down or up (debounced). Sent as soon as the link is up, in order, until the box has acknowledged it.
 * button  BUTTON_FREEZE or BUTTON_FOOT; else CARTLINK_ARGUMENT
 * Returns CARTLINK_FULL if CARTLINK_QUEUE presses wait already. */
cartlink_status cartlink_input(cartlink *link, cartlink_Button button, bool pressed, uint32_t now_ms);

#endif
