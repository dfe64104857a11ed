/* Golden cases through the C ABI, for processors that Python does not run on and for sanitizers:
 *
 *   driver ISA CASES RESULTS      prints the name of the ISA that SS2D_ISA_BEST means here
 *
 * CASES is a row of records, RESULTS a row of answers, both as scan_file.py writes and reads them. Every block is a heap
 * block of exactly its size, so that a sanitizer sees any step beyond it. */
#include <stdio.h>
#include <stdlib.h>

#include "selective_scan.h"

typedef struct record {
  int32_t batch, height, width, d, n, r, k, u_dtype, x_dbl_dtype, y_dtype, channels_first, backward;
  float u_scale, x_dbl_scale, y_scale;
} record;

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void *block(size_t bytes) {
  void *p = malloc(bytes);
  if (!p && bytes) fail("out of memory");
  return p;
}

static void *block_from_file(FILE *file, size_t bytes) {
  void *p = block(bytes);
  if (fread(p, 1, bytes, file) != bytes) fail("the file of cases is too short");
  return p;
}

static void to_file(FILE *file, void *p, size_t bytes) {
  if (fwrite(p, 1, bytes, file) != bytes) fail("the results cannot be written");
  free(p);
}

static void require(ss2d_status status) {
  if (status != SS2D_OK) fail(ss2d_text_from_status(status));
}

static size_t size_of(int32_t dtype) { return dtype == SS2D_FLOAT32 ? 4 : dtype == SS2D_FLOAT16 ? 2 : 1; }

static ss2d_strides strides_of(const record *r, int64_t channels) {
  const int64_t length = (int64_t)r->height * r->width;
  const ss2d_strides last = {length * channels, channels, 1}, first = {length * channels, 1, length};
  return r->channels_first ? first : last;
}

static ss2d_params params_of(const record *r, int32_t isa) {
  const int32_t x_values = r->k * (r->r + 2 * r->n);
  ss2d_params p = {0};
  p.abi = SS2D_ABI;
  p.isa = isa;
  p.u_dtype = r->u_dtype;
  p.x_dbl_dtype = r->x_dbl_dtype;
  p.y_dtype = r->y_dtype;
  p.u_scale = r->u_scale;
  p.x_dbl_scale = r->x_dbl_scale;
  p.y_scale = r->y_scale;
  p.batch = r->batch;
  p.height = r->height;
  p.width = r->width;
  p.d_inner = r->d;
  p.d_state = r->n;
  p.dt_rank = r->r;
  p.routes_n = r->k;
  p.u_strides = p.y_strides = strides_of(r, r->d);
  p.x_dbl_strides = strides_of(r, x_values);
  return p;
}

static ss2d_parallel two_threads(void) {
  static int32_t threads = 2;
  const ss2d_parallel parallel = {ss2d_run_on_threads, &threads};
  return parallel;
}

static void forward(ss2d_params *p, const void *packed, size_t map, FILE *results) {
  const ss2d_parallel parallel = two_threads();
  ss2d_bytes bytes;
  require(ss2d_bytes_from_params(p, 1, &bytes));
  void *workspace = block(bytes.forward);
  p->y = block(map * size_of(p->y_dtype));
  require(ss2d_forward(p, packed, workspace, bytes.forward, &parallel));
  to_file(results, p->y, map * size_of(p->y_dtype));
  free(workspace);
}

static void backward(const ss2d_params *p, const void *packed, size_t map, size_t x_map, FILE *cases, FILE *results) {
  const ss2d_parallel parallel = two_threads();
  const size_t kd = (size_t)p->routes_n * (size_t)p->d_inner * sizeof(float);
  const size_t weight = kd * (size_t)p->dt_rank, a = kd * (size_t)p->d_state;
  float *dy = block_from_file(cases, map * sizeof(float));
  ss2d_gradients g = {dy, block(map * sizeof(float)), block(x_map * sizeof(float)), p->y_strides, p->u_strides,
                      p->x_dbl_strides, block(weight), block(kd), block(a), block(kd)};
  ss2d_bytes bytes;
  require(ss2d_bytes_from_params(p, 2, &bytes));
  void *workspace = block(bytes.backward);
  require(ss2d_backward(p, packed, &g, 2, workspace, bytes.backward, &parallel));
  to_file(results, g.u, map * sizeof(float));
  to_file(results, g.x_dbl, x_map * sizeof(float));
  to_file(results, g.dt_weight, weight);
  to_file(results, g.dt_bias, kd);
  to_file(results, g.A, a);
  to_file(results, g.D, kd);
  free(workspace);
  free(dy);
}

static void answer(const record *r, int32_t isa, FILE *cases, FILE *results) {
  ss2d_params p = params_of(r, isa);
  const size_t pixels = (size_t)r->batch * (size_t)r->height * (size_t)r->width, map = pixels * (size_t)r->d;
  const size_t x_map = pixels * (size_t)r->k * (size_t)(r->r + 2 * r->n);
  const size_t kd = (size_t)r->k * (size_t)r->d * sizeof(float);
  int32_t *routes = block_from_file(cases, (size_t)r->k * sizeof(int32_t));
  void *u = block_from_file(cases, map * size_of(r->u_dtype));
  void *x_dbl = block_from_file(cases, x_map * size_of(r->x_dbl_dtype));
  float *dt_weight = block_from_file(cases, kd * (size_t)r->r), *dt_bias = block_from_file(cases, kd);
  float *a = block_from_file(cases, kd * (size_t)r->n), *d = block_from_file(cases, kd);
  p.routes = routes;
  p.u = u;
  p.x_dbl = x_dbl;
  p.dt_weight = dt_weight;
  p.dt_bias = dt_bias;
  p.A = a;
  p.D = d;
  ss2d_bytes bytes;
  require(ss2d_bytes_from_params(&p, 1, &bytes));
  void *packed = block(bytes.packed);
  require(ss2d_pack(&p, packed));
  forward(&p, packed, map, results);
  if (r->backward) backward(&p, packed, map, x_map, cases, results);
  void *inputs[] = {routes, u, x_dbl, dt_weight, dt_bias, a, d, packed};
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; ++i) free(inputs[i]);
}

int main(int count, char **arguments) {
  static const char *const names[] = {"", "x86-64-v2", "x86-64-v3", "x86-64-v4", "neon"};
  if (count != 4) fail("usage: driver ISA CASES RESULTS");
  FILE *cases = fopen(arguments[2], "rb"), *results = fopen(arguments[3], "wb");
  if (!cases || !results) fail("a file cannot be opened");
  record r;
  while (fread(&r, sizeof r, 1, cases) == 1) answer(&r, atoi(arguments[1]), cases, results);
  puts(names[ss2d_best_isa()]);
  return fclose(results) || fclose(cases);
}
