/* Vector table and the way to main.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

extern uint32_t cart_stack_top, cart_data_load, cart_data_start, cart_data_end, cart_bss_start, cart_bss_end;
uint32_t board_boot_word __attribute__((section(".noinit")));

int main(void);
void board_receive(uint32_t number);
void board_transmit(uint32_t number);
void board_tick(void);

static void reset(void)
{
    (void)memcpy(&cart_data_start, &cart_data_load, (size_t)((uintptr_t)&cart_data_end - (uintptr_t)&cart_data_start));
    (void)memset(&cart_bss_start, 0, (size_t)((uintptr_t)&cart_bss_end - (uintptr_t)&cart_bss_start));
    (void)main();
    for (;;) {
    }
}

/* A fault starts the cart again: the box sees another boot id, the lamps say "AI off" meanwhile. */
static void fault(void)
{
    *(volatile uint32_t *)0xE000ED0CU = 0x05FA0004U; /* AIRCR: SYSRESETREQ */
    for (;;) {
    }
}

static void link_receive(void)
{
    board_receive(0U);
}

static void link_transmit(void)
{
    board_transmit(0U);
}

static void panel_receive(void)
{
    board_receive(1U);
}

static void panel_transmit(void)
{
    board_transmit(1U);
}

typedef union {
    void (*handler)(void);
    void *stack;
} vector;

__attribute__((section(".vectors"), used)) static const vector kVectors[] = {
    {.stack = &cart_stack_top}, {.handler = reset},         {.handler = fault},         {.handler = fault},
    {.handler = fault},         {.handler = fault},         {.handler = fault},         {.handler = NULL},
    {.handler = NULL},          {.handler = NULL},          {.handler = NULL},          {.handler = fault},
    {.handler = fault},         {.handler = NULL},          {.handler = fault},         {.handler = board_tick},
    {.handler = link_receive},  {.handler = link_transmit}, {.handler = panel_receive}, {.handler = panel_transmit},
};
