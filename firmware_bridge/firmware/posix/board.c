/* The reference firmware as a process: `cart LINE` with LINE a serial device, a pty or a Unix socket; the panel is
 * standard input and output. A line that went away is opened again each 50 ms; the end of the input ends the program.
 * SPDX-License-Identifier: Apache-2.0 */
#define _DEFAULT_SOURCE /* POSIX.1-2008 and cfmakeraw */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cart.h"

#define CART_REOPEN_MS 50U

/* A program has one board: the HAL of a board has no other place for it. */
static const char *line_path;
static int line_fd = -1;
static uint32_t opened_ms;
static bool is_ended;

uint32_t board_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U);
}

uint32_t board_boot_id(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return ((uint32_t)now.tv_nsec ^ ((uint32_t)now.tv_sec << 8) ^ ((uint32_t)getpid() << 20)) | 1U;
}

static int open_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = strlen(line_path) < sizeof address.sun_path ? socket(AF_UNIX, SOCK_STREAM, 0) : -1;
    if (fd < 0) {
        return -1;
    }
    (void)strcpy(address.sun_path, line_path);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int open_serial(void)
{
    struct termios mode;
    const int fd = open(line_path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 && tcgetattr(fd, &mode) == 0) {
        cfmakeraw(&mode);
        (void)cfsetspeed(&mode, B115200);
        mode.c_cflag |= (tcflag_t)(CLOCAL | CREAD);
        (void)tcsetattr(fd, TCSANOW, &mode);
    }
    return fd;
}

static void close_line(void)
{
    if (line_fd >= 0) {
        (void)close(line_fd);
    }
    line_fd = -1;
}

static void open_line(void)
{
    struct stat kind;
    if (line_fd >= 0 || board_now_ms() - opened_ms < CART_REOPEN_MS) {
        return;
    }
    opened_ms = board_now_ms();
    if (stat(line_path, &kind) == 0) {
        line_fd = S_ISSOCK(kind.st_mode) ? open_socket() : open_serial();
    }
}

size_t board_read(board_line line, uint8_t *data, size_t room)
{
    const int fd = line == BOARD_LINK ? line_fd : STDIN_FILENO;
    struct pollfd ready = {fd, POLLIN, 0};
    if (fd < 0 || poll(&ready, 1, 0) != 1) {
        return 0U;
    }
    const ssize_t got = read(fd, data, room);
    if (got > 0) {
        return (size_t)got;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        if (line == BOARD_LINK) {
            close_line();
        } else {
            is_ended = true;
        }
    }
    return 0U;
}

bool board_write(board_line line, const uint8_t *data, size_t size)
{
    struct pollfd room = {line == BOARD_LINK ? line_fd : STDOUT_FILENO, POLLOUT, 0};
    if (poll(&room, 1, 0) != 1) {
        return false; /* a reader of the panel that has gone to sleep must not stop the cart */
    }
    const ssize_t put = write(room.fd, data, size);
    return put == (ssize_t)size; /* a part that went out is a damaged frame to the other side */
}

bool board_sleep(void)
{
    open_line();
    struct pollfd lines[2] = {{line_fd, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    (void)poll(lines, 2, 1);
    return !is_ended;
}

int main(int count, char **words)
{
    static cart self;
    if (count != 2) {
        (void)fprintf(stderr, "usage: %s LINE (a serial device, a pty or a Unix socket)\n", words[0]);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    line_path = words[1];
    opened_ms = board_now_ms() - CART_REOPEN_MS;
    return cart_run(&self) ? 0 : 1;
}
