/* One scan through the plugin's code, for a test in Python: by scan_harness.cpp without TensorRT's headers, by
 * plugin_harness.cpp through the plugin's own interfaces, out of a library that it opens as TensorRT would.
 *
 * Every pointer is the host's; see memory.h. A function returns NULL, or a line that says what went wrong.
 */
#ifndef VMAMBA_TEST_HARNESS_H
#define VMAMBA_TEST_HARNESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct harness_scan {
  const int32_t *routes;
  int32_t routes_n;
  const char *layout;
  float u_scale, x_dbl_scale, y_scale;
  int32_t dtypes[7]; /* ss2d_dtype of u, x_dbl, dt_weight, dt_bias, A, D, y */
  int64_t sizes[7][4];
  const void *inputs[6];
  void *y;
  int32_t tactic;
} harness_scan;

/* Load what is to be tested; `path` is a library, or empty where the code is part of the harness. */
const char *harness_open(const char *path);

/* Whether the seven types are one of the combinations. */
int32_t harness_supports(const harness_scan *scan);

/* How many tactics fit the scan: 1, 2, ... */
int32_t harness_tactics(const harness_scan *scan);

/* y of the scan. */
const char *harness_forward(const harness_scan *scan);

/* Everything that TensorRT calls besides: identity, clones, shapes, tactics, serialization, refusals; y at the end. */
const char *harness_check(const harness_scan *scan);

#ifdef __cplusplus
}
#endif

#endif
