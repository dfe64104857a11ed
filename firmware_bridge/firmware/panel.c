/* SPDX-License-Identifier: Apache-2.0 */
#include "panel.h"

static const char *const kPhase[] = {"down", "up", "refused"};
static const char *const kRefusal[] = {"none", "major", "schema", "role"};
static const char *const kPattern[] = {"off", "on", "blink"};
static const char *const kAnswer[] = {"none", "plane", "not_standard", "not_covered"};
static const char *const kConfidence[] = {"none", "low", "medium", "high"};

static uint8_t *put(uint8_t *at, const char *text)
{
    while (*text != '\0') {
        *at++ = (uint8_t)*text++;
    }
    return at;
}

static uint8_t *put_name(uint8_t *at, const char *key, const char *const *names, size_t count, uint32_t value)
{
    at = put(at, key);
    return put(at, value < count ? names[value] : "unknown");
}

static uint8_t *put_hex(uint8_t *at, const char *key, uint32_t value)
{
    at = put(at, key);
    for (uint32_t shift = 32U; shift != 0U; shift -= 4U) {
        *at++ = (uint8_t)"0123456789abcdef"[(value >> (shift - 4U)) & 15U];
    }
    return at;
}

static uint8_t *put_small(uint8_t *at, const char *key, uint32_t value)
{
    at = put(at, key);
    value = value > 99U ? 99U : value;
    if (value > 9U) {
        *at++ = (uint8_t)('0' + value / 10U);
    }
    *at++ = (uint8_t)('0' + value % 10U);
    return at;
}

size_t cart_panel_line(const cart_panel *panel, uint8_t *line)
{
    const cartlink_view *view = panel->view;
    const cartlink_Checklist *list = &view->checklist;
    const cartlink_PlaneResult *result = &view->result;
    uint8_t *at = put_name(line, "link=", kPhase, 3U, (uint32_t)view->phase);
    at = put_name(at, " refused=", kRefusal, 4U, (uint32_t)view->refusal);
    at = put(at, view->ai_on ? " ai=on" : " ai=off");
    at = put_name(at, " attention=", kPattern, 3U, (uint32_t)view->attention);
    at = put(at, panel->attention ? " lit=1" : " lit=0");
    at = put(at, panel->bell ? " bell=1" : " bell=0");
    at = put_hex(at, " rung=", panel->rung);
    at = put_small(at, " rows=", list->total);
    at = put_small(at, " paused=", list->is_paused ? 1U : 0U);
    at = put_hex(at, " captured=", list->captured);
    at = put_hex(at, " weak=", list->low_quality);
    at = put_hex(at, " lost=", list->not_obtainable);
    at = put_hex(at, " uncovered=", list->not_covered);
    at = put_name(at, " answer=", kAnswer, 4U, (uint32_t)result->answer);
    at = put_small(at, " row=", result->row);
    at = put_name(at, " confidence=", kConfidence, 4U, (uint32_t)result->confidence);
    at = put_small(at, " synthetic=", result->synthetic ? 1U : 0U);
    at = put(put(at, " plane="), result->plane);
    *at++ = (uint8_t)'\n';
    return (size_t)(at - line);
}
