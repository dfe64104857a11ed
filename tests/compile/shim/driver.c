/* Every kernel once, on heap blocks of exactly the needed size: a sanitizer sees any step beyond them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selective_scan.h"

void shim_set(int processors, int shared_bytes, int reversed);

static void* bytes_of(size_t n, int dtype) {
  static const size_t sizes[] = {4, 2, 1};
  unsigned char* p = malloc(n * sizes[dtype] + (n == 0));
  for (size_t i = 0; i < n; ++i) {
    const float value = (float)(i % 17) / 17.0f - 0.5f;
    if (dtype == SS2D_FLOAT32) memcpy(p + 4 * i, &value, 4);
    if (dtype == SS2D_FLOAT16) p[2 * i] = (unsigned char)i, p[2 * i + 1] = 0x34; /* 0.25 and a little */
    if (dtype == SS2D_INT8) p[i] = (unsigned char)(i % 17);
  }
  return p;
}

static int run(int d, int r, int n, int u_dtype, int y_dtype, int tactic) {
  const int32_t routes[4] = {0, 1, 2, 3}, h = 5, w = 9, b = 2, c = 4 * (r + 2 * n);
  const size_t map = (size_t)(b * h * w * d), xs = (size_t)(b * h * w * c), rows = (size_t)(4 * d);
  ss2d_params p = {0};
  p.abi = SS2D_ABI, p.tactic = tactic, p.u_dtype = p.x_dbl_dtype = u_dtype, p.y_dtype = y_dtype;
  p.u_scale = p.x_dbl_scale = p.y_scale = 0.05f;
  p.batch = b, p.height = h, p.width = w, p.d_inner = d, p.d_state = n, p.dt_rank = r, p.routes_n = 4,
  p.routes = routes;
  p.u = bytes_of(map, u_dtype), p.x_dbl = bytes_of(xs, u_dtype), p.y = bytes_of(map, y_dtype);
  const ss2d_strides maps = {h * w * d, d, 1}, values = {h * w * c, c, 1};
  p.u_strides = p.y_strides = maps, p.x_dbl_strides = values;
  p.dt_weight = bytes_of(rows * (size_t)r, 0), p.dt_bias = bytes_of(rows, 0);
  p.A = bytes_of(rows * (size_t)n, 0), p.D = bytes_of(rows, 0);
  ss2d_bytes sizes;
  if (ss2d_cuda_bytes_from_params(&p, &sizes)) return 1;
  void *forward = malloc(sizes.forward), *backward = malloc(sizes.backward);
  if (ss2d_cuda_forward(&p, forward, sizes.forward, NULL)) return 2;
  if (u_dtype != SS2D_FLOAT32 || tactic) return 0;
  ss2d_gradients g = {bytes_of(map, 0),
                      bytes_of(map, 0),
                      bytes_of(xs, 0),
                      maps,
                      maps,
                      values,
                      bytes_of(rows * (size_t)r, 0),
                      bytes_of(rows, 0),
                      bytes_of(rows * (size_t)n, 0),
                      bytes_of(rows, 0)};
  return ss2d_cuda_backward(&p, &g, backward, sizes.backward, NULL) ? 3 : 0;
}

int main(void) {
  static const int sizes[][3] = {{18, 6, 1}, {19, 5, 1}, {7, 2, 3}}, types[][2] = {{0, 0}, {1, 1}, {2, 1}, {2, 2}};
  const int limits[] = {163 * 1024, 16 * 1024}; /* the strip in shared memory, and not */
  for (int size = 0; size < 3; ++size)
    for (int type = 0; type < 4; ++type)
      for (int tactic = 0; tactic <= ss2d_cuda_tactics(); tactic += 5) {
        shim_set(8, limits[tactic % 2], tactic % 2);
        const int failed = run(sizes[size][0], sizes[size][1], sizes[size][2], types[type][0], types[type][1], tactic);
        if (failed) return fprintf(stderr, "size %d type %d tactic %d: %d\n", size, type, tactic, failed), 1;
      }
  return 0;
}
