/* SelectiveScan2D: the C ABI of the native kernels, for CPUs and for CUDA devices. ISO C99, no framework.
 *
 *   u (B,L,D) ------------------------------+
 *   x_dbl (B,L,K*(R+2N)) -> dt | B | C -----+--> one scan per route k --> added at their pixel --> y (B,L,D)
 *   dt_weight, dt_bias, A, D --ss2d_pack----+        L = H*W, the truth is reference.py
 *
 * The caller allocates everything, a kernel nothing. Nothing is kept between calls, so concurrent calls are safe. A
 * pointer needs the alignment of its elements, workspace and packed weights that of a float; multiples of SS2D_ALIGNMENT
 * bytes are fastest. NaN in an input reaches every output that depends on it (a y of int8 says 0 there); a huge delta
 * saturates (its decay is 2^-126) and stays finite as long as its product with u is.
 */
#ifndef VMAMBA_SELECTIVE_SCAN_H
#define VMAMBA_SELECTIVE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define SS2D_ABI 2        /* goes up when a struct below changes */
#define SS2D_ALIGNMENT 64 /* bytes: one cache line, one AVX-512 register */

typedef enum ss2d_status {
  SS2D_OK = 0,
  SS2D_WRONG_ABI = 1,           /* the caller was compiled with another version of this header */
  SS2D_NULL_POINTER = 2,        /* a pointer that is needed is missing; an empty batch needs no maps */
  SS2D_BAD_SIZE = 3,            /* a size below 1 (batch: below 0), or more elements than can be addressed */
  SS2D_BAD_ROUTE = 4,           /* a route other than 0..3 */
  SS2D_UNSUPPORTED_DTYPE = 5,   /* this library has no kernel for these types */
  SS2D_UNSUPPORTED_ISA = 6,     /* not compiled in, or not in this CPU */
  SS2D_WORKSPACE_TOO_SMALL = 7, /* fewer bytes than ss2d_bytes_from_params says */
  SS2D_BAD_SCALE = 8,           /* the scale of an int8 map is not a positive, finite number */
  SS2D_LAUNCH_FAILED = 9,       /* CUDA refused the launch; the device's own error stays set */
} ss2d_status;

typedef enum ss2d_dtype { SS2D_FLOAT32 = 0, SS2D_FLOAT16 = 1, SS2D_INT8 = 2 } ss2d_dtype;

typedef enum ss2d_isa {
  SS2D_ISA_BEST = 0, /* the last of the list that this CPU has */
  SS2D_ISA_X86_64_V2 = 1,
  SS2D_ISA_X86_64_V3 = 2,
  SS2D_ISA_X86_64_V4 = 3,
  SS2D_ISA_NEON = 4,
} ss2d_isa;

/* In elements. Channels last: {L*C, C, 1}; channels first: {L*C, 1, L}. A channel stride of 1 is the fast one. */
typedef struct ss2d_strides {
  int64_t batch, pixel, channel;
} ss2d_strides;

typedef struct ss2d_params {
  int32_t abi;    /* SS2D_ABI */
  int32_t isa;    /* CPU: ss2d_isa; the same one for sizes, pack and launch */
  int32_t tactic; /* CUDA: 0 = chosen by the sizes, else 1..ss2d_cuda_tactics(); the same one for sizes and launch */
  int32_t u_dtype, x_dbl_dtype, y_dtype; /* ss2d_dtype; weights, state, sums and gradients are float32 always */
  float u_scale, x_dbl_scale, y_scale;   /* value = scale * integer; read where the map is int8. y: to nearest, +-127 */
  int32_t batch, height, width;
  int32_t d_inner;  /* D */
  int32_t d_state;  /* N */
  int32_t dt_rank;  /* R */
  int32_t routes_n; /* K */
  const int32_t *routes; /* (K) of 0 rows, 1 columns, 2 rows reversed, 3 columns reversed */
  const void *u, *x_dbl; /* (B,L,D), (B,L,K*(R+2N)): per route [dt: R | B: N | C: N] at its pixel */
  void *y;               /* (B,L,D), overlaps no input; forward only */
  ss2d_strides u_strides, x_dbl_strides, y_strides;
  const float *dt_weight, *dt_bias, *A, *D; /* (K,D,R), (K,D), (K,D,N) = -exp(A_logs), (K,D), contiguous; for pack */
} ss2d_params;

/* Everything is float32. */
typedef struct ss2d_gradients {
  const float *y;   /* in: dLoss/dy (B,L,D) */
  float *u, *x_dbl; /* out, written in full: as in ss2d_params */
  ss2d_strides y_strides, u_strides, x_dbl_strides;
  float *dt_weight, *dt_bias, *A, *D; /* out, written in full, contiguous as in ss2d_params */
} ss2d_gradients;

typedef struct ss2d_bytes {
  size_t packed, forward, backward; /* packed weights; workspace of ss2d_forward; workspace of ss2d_backward */
} ss2d_bytes;

typedef void (*ss2d_task)(void *argument, int64_t index);

/* How the caller runs tasks 0..tasks-1: any order, any threads, all done when `run` returns. */
typedef struct ss2d_parallel {
  void (*run)(void *context, int64_t tasks, ss2d_task task, void *argument);
  void *context;
} ss2d_parallel;

/* What to allocate. Reads sizes, types, strides and isa. `slots` >= 1: see ss2d_backward. */
ss2d_status ss2d_bytes_from_params(const ss2d_params *params, int32_t slots, ss2d_bytes *bytes);

/* The weights in the kernel's own order, to be made once per set of weights. Reads sizes, isa and the four weights. */
ss2d_status ss2d_pack(const ss2d_params *params, void *packed);

/* y from u, x_dbl and the packed weights; each of the three maps of any type and strides. Float32 whose channels lie side
 * by side, D in whole registers, is read and written where it lies; the rest passes through float32 in the workspace.
 * `parallel` may be NULL: one thread. */
ss2d_status ss2d_forward(const ss2d_params *params, const void *packed, void *workspace, size_t workspace_bytes,
                         const ss2d_parallel *parallel);

/* The six gradients, every map float32; runs the forward pass again, so that nothing has to be kept. The blocks of
 * channels of all images are dealt to `slots` tasks, at most one a block, with a share of the workspace each, so one image
 * is enough for several threads. The gradient of u is the same for any `slots`, the others differ in their last bits;
 * nothing depends on timing. */
ss2d_status ss2d_backward(const ss2d_params *params, const void *packed, const ss2d_gradients *gradients,
                          int32_t slots, void *workspace, size_t workspace_bytes, const ss2d_parallel *parallel);

/* An ss2d_parallel for callers without threads of their own; `context`: int32_t *, the number of threads. */
void ss2d_run_on_threads(void *context, int64_t tasks, ss2d_task task, void *argument);

/* The same operator on the current CUDA device (another library). Every pointer of params and gradients but `routes` is the
 * device's; the four weights are read as they are, so there is no pack and bytes->packed is 0. The work is put on `stream`
 * (a cudaStream_t) without allocating or waiting, so that a CUDA graph can capture it. Types: u, x_dbl and y all float32,
 * all float16, or int8 u and x_dbl with y float16 or int8; the backward pass float32 only. */
ss2d_status ss2d_cuda_bytes_from_params(const ss2d_params *params, ss2d_bytes *bytes);
ss2d_status ss2d_cuda_forward(const ss2d_params *params, void *workspace, size_t workspace_bytes, void *stream);
ss2d_status ss2d_cuda_backward(const ss2d_params *params, const ss2d_gradients *gradients, void *workspace,
                               size_t workspace_bytes, void *stream);

/* Number of launch shapes for `tactic`; what a timing cache keys with must name it. */
int32_t ss2d_cuda_tactics(void);

const char *ss2d_text_from_status(ss2d_status status);

/* The ISA that SS2D_ISA_BEST means here. */
ss2d_isa ss2d_best_isa(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
