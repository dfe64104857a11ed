/* Every kernel once on device blocks of exactly the needed size, for compute-sanitizer. Exit 0: every launch was taken.
 */
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selective_scan.h"

static void* bytes_of(size_t n, int dtype) {
  static const size_t sizes[] = {4, 2, 1};
  unsigned char* host = (unsigned char*)malloc(n * sizes[dtype] + 1);
  void* device = NULL;
  for (size_t i = 0; i < n; ++i) {
    const float value = (float)(i % 17) / 17.0f - 0.5f;
    if (dtype == SS2D_FLOAT32) memcpy(host + 4 * i, &value, 4);
    if (dtype == SS2D_FLOAT16) host[2 * i] = (unsigned char)i, host[2 * i + 1] = 0x34; /* 0.25 and a little */
    if (dtype == SS2D_INT8) host[i] = (unsigned char)(i % 17);
  }
  if (cudaMalloc(&device, n * sizes[dtype]) || cudaMemcpy(device, host, n * sizes[dtype], cudaMemcpyHostToDevice))
    exit(4);
  free(host);
  return device;
}

static void* room(size_t bytes) {
  void* device = NULL;
  if (bytes && cudaMalloc(&device, bytes)) exit(4);
  return device;
}

static int run(int d, int r, int n, int u_dtype, int y_dtype, int tactic) {
  const int32_t routes[4] = {0, 1, 2, 3}, h = 13, w = 21, b = 2, c = 4 * (r + 2 * n);
  const size_t map = (size_t)(b * h * w * d), xs = (size_t)(b * h * w * c), rows = (size_t)(4 * d);
  const ss2d_strides maps = {h * w * d, d, 1}, values = {h * w * c, c, 1};
  ss2d_params p;
  ss2d_bytes sizes;
  memset(&p, 0, sizeof p);
  p.abi = SS2D_ABI, p.tactic = tactic, p.u_dtype = p.x_dbl_dtype = u_dtype, p.y_dtype = y_dtype;
  p.u_scale = p.x_dbl_scale = p.y_scale = 0.05f;
  p.batch = b, p.height = h, p.width = w, p.d_inner = d, p.d_state = n, p.dt_rank = r, p.routes_n = 4,
  p.routes = routes;
  p.u = bytes_of(map, u_dtype), p.x_dbl = bytes_of(xs, u_dtype), p.y = bytes_of(map, y_dtype);
  p.u_strides = p.y_strides = maps, p.x_dbl_strides = values;
  p.dt_weight = (float*)bytes_of(rows * (size_t)r, 0), p.dt_bias = (float*)bytes_of(rows, 0);
  p.A = (float*)bytes_of(rows * (size_t)n, 0), p.D = (float*)bytes_of(rows, 0);
  if (ss2d_cuda_bytes_from_params(&p, &sizes)) return 1;
  if (ss2d_cuda_forward(&p, room(sizes.forward), sizes.forward, NULL)) return 2;
  if (u_dtype == SS2D_FLOAT32 && !tactic) {
    const ss2d_gradients g = {(float*)bytes_of(map, 0),
                              (float*)bytes_of(map, 0),
                              (float*)bytes_of(xs, 0),
                              maps,
                              maps,
                              values,
                              (float*)bytes_of(rows * (size_t)r, 0),
                              (float*)bytes_of(rows, 0),
                              (float*)bytes_of(rows * (size_t)n, 0),
                              (float*)bytes_of(rows, 0)};
    if (ss2d_cuda_backward(&p, &g, room(sizes.backward), sizes.backward, NULL)) return 3;
  }
  return cudaDeviceSynchronize() ? 5 : 0;
}

int main(void) {
  static const int sizes[][3] = {{50, 6, 1}, {19, 5, 1}, {7, 2, 3}}, types[][2] = {{0, 0}, {1, 1}, {2, 1}, {2, 2}};
  for (int size = 0; size < 3; ++size)
    for (int type = 0; type < 4; ++type)
      for (int tactic = 0; tactic <= ss2d_cuda_tactics(); tactic += size || type > 1 ? 5 : 1) {
        const int failed = run(sizes[size][0], sizes[size][1], sizes[size][2], types[type][0], types[type][1], tactic);
        if (failed) return fprintf(stderr, "size %d type %d tactic %d: step %d\n", size, type, tactic, failed), 1;
      }
  return 0;
}
