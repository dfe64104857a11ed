// The ss2d_cuda_* functions of selective_scan.h: arguments checked, shape chosen, kernels put on the stream.
#include <stdint.h>
#include <string.h>

#include "backward_plan.h"
#include "forward_plan.h"

ss2d_status ss2d_cuda_bytes_from_params(const ss2d_params* params, ss2d_bytes* bytes) {
  const ss2d_status status = ss2d::check_sizes(params);
  if (status != SS2D_OK) return status;
  if (!bytes) return SS2D_NULL_POINTER;
  bytes->packed = 0;
  bytes->forward = ss2d::forward_bytes(*params, ss2d::shape_from(*params, ss2d::this_device()));
  bytes->backward = ss2d::backward_bytes(*params);
  return SS2D_OK;
}

ss2d_status ss2d_cuda_forward(const ss2d_params* params, void* workspace, size_t workspace_bytes, void* stream) {
  ss2d_status status = ss2d::check_sizes(params);
  if (status != SS2D_OK) return status;
  const ss2d::Device device = ss2d::this_device();
  const ss2d::Shape shape = ss2d::shape_from(*params, device);
  status = ss2d::check_launch(*params, workspace, workspace_bytes, ss2d::forward_bytes(*params, shape));
  if (status != SS2D_OK) return status;
  if (!ss2d::is_scale(params->y_dtype, params->y_scale)) return SS2D_BAD_SCALE;
  if (!params->batch) return SS2D_OK;
  if (!params->y) return SS2D_NULL_POINTER;
  if (!ss2d::strides_fit(params->y_strides, ss2d::size_of(params->y_dtype))) return SS2D_BAD_SIZE;
  return ss2d::forward(*params, shape, device, static_cast<float*>(workspace), static_cast<cudaStream_t>(stream));
}

ss2d_status ss2d_cuda_backward(const ss2d_params* params, const ss2d_gradients* gradients, void* workspace,
                               size_t workspace_bytes, void* stream) {
  ss2d_status status = ss2d::check_sizes(params);
  if (status != SS2D_OK) return status;
  if (params->u_dtype != SS2D_FLOAT32) return SS2D_UNSUPPORTED_DTYPE;
  status = ss2d::check_launch(*params, workspace, workspace_bytes, ss2d::backward_bytes(*params));
  if (status != SS2D_OK) return status;
  const ss2d_gradients* g = gradients;
  if (!g || !g->dt_weight || !g->dt_bias || !g->A || !g->D) return SS2D_NULL_POINTER;
  if (params->batch && (!g->y || !g->u || !g->x_dbl)) return SS2D_NULL_POINTER;
  for (const ss2d_strides& strides : {g->y_strides, g->u_strides, g->x_dbl_strides})
    if (!ss2d::strides_fit(strides, sizeof(float))) return SS2D_BAD_SIZE;
  return ss2d::backward(*params, *g, static_cast<float*>(workspace), static_cast<cudaStream_t>(stream));
}

int32_t ss2d_cuda_tactics(void) { return ss2d::kTacticCount; }

const char* ss2d_text_from_status(ss2d_status status) {
  switch (status) {
    case SS2D_OK: return "ok";
    case SS2D_WRONG_ABI: return "caller and library were compiled with different versions of selective_scan.h";
    case SS2D_NULL_POINTER: return "a needed pointer is missing";
    case SS2D_BAD_SIZE: return "a size or tactic is out of range";
    case SS2D_BAD_ROUTE: return "a route is not one of 0..3";
    case SS2D_UNSUPPORTED_DTYPE: return "this library has no kernel for these dtypes";
    case SS2D_UNSUPPORTED_ISA: return "this library has no such instruction set";
    case SS2D_WORKSPACE_TOO_SMALL: return "the workspace is too small";
    case SS2D_BAD_SCALE: return "the scale of an int8 map is not positive and finite";
    case SS2D_LAUNCH_FAILED: return "CUDA refused the launch";
  }
  return "unknown status";
}
