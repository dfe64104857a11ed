/* The reference firmware on ARM's MPS2 board with the AN385 image (Cortex-M3, 25 MHz), as QEMU's machine mps2-an385 has
 * it: UART 0 is the link, UART 1 the panel. Bytes come and go by interrupt; between them the core sleeps.
 * Source: Arm DAI 0385 (AN385): memory map, interrupts, FPGA I/O; Arm DDI 0479 (CMSDK), section 4.3: APB UART.
 * SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include "cart.h"

#define CART_CLOCK_HZ 25000000U
#define CART_BAUD 115200U
#define CART_UART_RXIE 8U
#define CART_UART_TXIE 4U
#define CART_UART_RXEN 2U
#define CART_UART_TXEN 1U
#define CART_UART_INT_RX 2U
#define CART_UART_INT_TX 1U
#define CART_UART_RX_FULL 2U
#define CART_RING 256U /* bytes, a power of two: 22 ms at 115200 baud; the loop comes each millisecond */

typedef struct {
    volatile uint32_t data, state, control, interrupt, divider;
} uart;

#define CART_SYSTICK ((volatile uint32_t *)0xE000E010U) /* control, reload, value */
#define CART_COUNTER ((volatile uint32_t *)0x40028018U) /* FPGA I/O: counter, prescaler */
#define CART_NVIC_ENABLE (*(volatile uint32_t *)0xE000E100U)

typedef struct {
    volatile uint8_t bytes[CART_RING]; /* volatile too: else a byte may be stored after the count that tells of it */
    volatile uint16_t put, got; /* free running; written by one side each */
} byte_ring;

typedef struct {
    byte_ring in, out;
    volatile bool is_sending;
} serial;

static uart *const kUart[2] = {(uart *)0x40004000U, (uart *)0x40005000U};
static serial serials[2];
extern uint32_t board_boot_word; /* .noinit: survives a warm reset; a loader may set it */

void board_receive(uint32_t number);
void board_transmit(uint32_t number);
void board_tick(void);

static uint32_t ring_used(const byte_ring *ring)
{
    return (uint16_t)(ring->put - ring->got);
}

static void ring_put(byte_ring *ring, uint8_t byte)
{
    ring->bytes[ring->put % CART_RING] = byte;
    ring->put = (uint16_t)(ring->put + 1U);
}

static uint8_t ring_get(byte_ring *ring)
{
    const uint8_t byte = ring->bytes[ring->got % CART_RING];
    ring->got = (uint16_t)(ring->got + 1U);
    return byte;
}

/* Interrupt: a byte has come. One that finds the ring full is lost, as on the line. */
void board_receive(uint32_t number)
{
    kUart[number]->interrupt = CART_UART_INT_RX;
    while ((kUart[number]->state & CART_UART_RX_FULL) != 0U) {
        const uint8_t byte = (uint8_t)kUart[number]->data;
        if (ring_used(&serials[number].in) < CART_RING) {
            ring_put(&serials[number].in, byte);
        }
    }
}

/* Interrupt: the last byte is out. */
void board_transmit(uint32_t number)
{
    serial *line = &serials[number];
    kUart[number]->interrupt = CART_UART_INT_TX;
    if (ring_used(&line->out) != 0U) {
        kUart[number]->data = ring_get(&line->out);
    } else {
        line->is_sending = false;
    }
}

/* Interrupt, each millisecond: ends the sleep. The time is the counter's, which goes on while interrupts wait. */
void board_tick(void)
{
}

uint32_t board_now_ms(void)
{
    return CART_COUNTER[0];
}

uint32_t board_boot_id(void)
{
    board_boot_word = (board_boot_word + 1U) * 2654435761U; /* Knuth's: no two starts in a row are equal */
    return board_boot_word | 1U;
}

size_t board_read(board_line line, uint8_t *data, size_t room)
{
    size_t size = 0U;
    while (size < room && ring_used(&serials[line].in) != 0U) {
        data[size++] = ring_get(&serials[line].in);
    }
    return size;
}

bool board_write(board_line line, const uint8_t *data, size_t size)
{
    serial *out = &serials[line];
    if (size > CART_RING - ring_used(&out->out)) {
        return false;
    }
    for (size_t i = 0U; i < size; i++) {
        ring_put(&out->out, data[i]);
    }
    __asm volatile("cpsid i" ::: "memory");
    if (!out->is_sending && size != 0U) {
        out->is_sending = true;
        kUart[line]->data = ring_get(&out->out);
    }
    __asm volatile("cpsie i" ::: "memory");
    return true;
}

bool board_sleep(void)
{
    __asm volatile("cpsid i" ::: "memory"); /* else the byte that comes here would wait for the next tick */
    if (ring_used(&serials[BOARD_LINK].in) == 0U && ring_used(&serials[BOARD_PANEL].in) == 0U) {
        __asm volatile("wfi" ::: "memory"); /* wakes for a masked interrupt too */
    }
    __asm volatile("cpsie i" ::: "memory");
    return true;
}

int main(void)
{
    static cart self;
    for (uint32_t i = 0U; i < 2U; i++) {
        kUart[i]->divider = CART_CLOCK_HZ / CART_BAUD;
        kUart[i]->control = CART_UART_RXIE | CART_UART_TXIE | CART_UART_RXEN | CART_UART_TXEN;
    }
    CART_NVIC_ENABLE = 15U; /* 0: UART 0 receive, 1: UART 0 transmit, 2 and 3: UART 1 */
    CART_COUNTER[1] = CART_CLOCK_HZ / 1000U - 1U; /* milliseconds */
    CART_SYSTICK[1] = CART_CLOCK_HZ / 1000U - 1U;
    CART_SYSTICK[2] = 0U;
    CART_SYSTICK[0] = 7U; /* core clock, interrupt, on */
    return cart_run(&self) ? 0 : 1;
}
