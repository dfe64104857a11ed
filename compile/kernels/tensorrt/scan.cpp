#include "scan.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <sstream>

namespace vmamba {
namespace {

bool has_shape(const Tensor& tensor, std::initializer_list<int64_t> expected) {
  return std::equal(expected.begin(), expected.end(), tensor.size);
}

bool is_scale(float value) { return std::isfinite(value) && value > 0; }

bool fits_int32(std::initializer_list<int64_t> sizes) {
  return std::all_of(sizes.begin(), sizes.end(), [](int64_t size) { return size >= 0 && size <= INT32_MAX; });
}

ss2d_strides strides(bool channels_first, int64_t length, int64_t channels) {
  if (channels_first) return {length * channels, 1, length};
  return {length * channels, channels, 1};
}

}  // namespace

const char* check_attributes(const Attributes& attributes) {
  const auto& routes = attributes.routes;
  if (routes.empty()) return "the attribute routes is missing or empty";
  if (std::any_of(routes.begin(), routes.end(), [](int32_t route) { return route < 0 || route > 3; }))
    return "a route is not one of 0, 1, 2, 3";
  if (attributes.layout != "last" && attributes.layout != "first") return "layout is neither first nor last";
  for (const float scale : {attributes.u_scale, attributes.x_dbl_scale, attributes.y_scale})
    if (scale != 0 && !is_scale(scale)) return "a scale is neither 0 nor a positive, finite number";
  return nullptr;
}

bool supports(const Attributes& attributes, int position, const int32_t* dtypes) {
  const int32_t u = dtypes[kU], dtype = dtypes[position];
  switch (position) {
    case kU:
      if (u == SS2D_INT8) return is_scale(attributes.u_scale) && is_scale(attributes.x_dbl_scale);
      return u == SS2D_FLOAT32 || u == SS2D_FLOAT16;
    case kXDbl:
      return dtype == u;
    case kY:
      if (u != SS2D_INT8) return dtype == u;
      return dtype == SS2D_FLOAT16 || (dtype == SS2D_INT8 && is_scale(attributes.y_scale));
    default:
      return dtype == SS2D_FLOAT32;
  }
}

int32_t y_dtype_from_u(const Attributes& attributes, int32_t u_dtype) {
  if (u_dtype != SS2D_INT8) return u_dtype;
  return is_scale(attributes.y_scale) ? SS2D_INT8 : SS2D_FLOAT16;
}

const char* params_from_tensors(const Attributes& attributes, const Tensor* tensors, int32_t tactic,
                                ss2d_params* params) {
  int32_t dtypes[kTensors];
  for (int i = 0; i < kTensors; ++i) {
    dtypes[i] = tensors[i].dtype;
    if (tensors[i].rank != kRanks[i]) return "a tensor has the wrong number of dimensions";
    if (!supports(attributes, i, dtypes)) return "there is no kernel for these types, or an int8 map has no scale";
  }
  const bool first = attributes.layout == "first";
  const int channel = first ? 1 : 3, row = first ? 2 : 1;
  const int64_t *u = tensors[kU].size, *x = tensors[kXDbl].size, *weight = tensors[kDtWeight].size;
  const int64_t k = static_cast<int64_t>(attributes.routes.size()), d = weight[1], r = weight[2];
  const int64_t n = tensors[kA].size[2], b = u[0], h = u[row], w = u[row + 1];
  if (!fits_int32({k, d, r, n, b, h, w})) return "a size is unknown or above 2^31 - 1";
  if (weight[0] != k || !has_shape(tensors[kDtBias], {k, d}) || !has_shape(tensors[kA], {k, d, n}) ||
      !has_shape(tensors[kD], {k, d}))
    return "the weights' shapes do not fit one another and the routes";
  const int64_t values = k * (r + 2 * n);
  if (u[channel] != d || x[channel] != values || x[0] != b || x[row] != h || x[row + 1] != w ||
      !has_shape(tensors[kY], {u[0], u[1], u[2], u[3]}))
    return "the shapes of u, x_dbl and y do not fit one another and the weights";
  ss2d_params p = {};
  p.abi = SS2D_ABI;
  p.tactic = tactic;
  p.u_dtype = dtypes[kU], p.x_dbl_dtype = dtypes[kXDbl], p.y_dtype = dtypes[kY];
  p.u_scale = attributes.u_scale, p.x_dbl_scale = attributes.x_dbl_scale, p.y_scale = attributes.y_scale;
  p.batch = static_cast<int32_t>(b), p.height = static_cast<int32_t>(h), p.width = static_cast<int32_t>(w);
  p.d_inner = static_cast<int32_t>(d), p.d_state = static_cast<int32_t>(n), p.dt_rank = static_cast<int32_t>(r);
  p.routes_n = static_cast<int32_t>(k), p.routes = attributes.routes.data();
  p.u_strides = p.y_strides = strides(first, h * w, d);
  p.x_dbl_strides = strides(first, h * w, values);
  *params = p;
  return nullptr;
}

const char* workspace_from_params(ss2d_params params, size_t* bytes) {
  *bytes = 0;
  params.tactic = 0;
  ss2d_bytes needed = {};
  const ss2d_status status = ss2d_cuda_bytes_from_params(&params, &needed);
  if (status != SS2D_OK) return ss2d_text_from_status(status);
  *bytes = needed.forward;
  for (params.tactic = 1; params.tactic <= ss2d_cuda_tactics(); ++params.tactic)
    if (ss2d_cuda_bytes_from_params(&params, &needed) == SS2D_OK) *bytes = std::max(*bytes, needed.forward);
  return nullptr;
}

std::vector<int32_t> tactics_from_params(ss2d_params smallest, ss2d_params largest) {
  std::vector<int32_t> tactics;
  ss2d_bytes needed;
  for (int32_t tactic = 1; tactic <= ss2d_cuda_tactics(); ++tactic) {
    smallest.tactic = largest.tactic = tactic;
    if (ss2d_cuda_bytes_from_params(&smallest, &needed) == SS2D_OK &&
        ss2d_cuda_bytes_from_params(&largest, &needed) == SS2D_OK)
      tactics.push_back(tactic);
  }
  return tactics;
}

std::string identity_from_attributes(const Attributes& attributes, const std::string& sources) {
  std::ostringstream text;
  text.precision(9);  // a float32 reads back as itself
  text << "abi=" << SS2D_ABI << " sources=" << sources << " tactics=" << ss2d_cuda_tactics() << " routes=";
  for (const int32_t route : attributes.routes) text << route;
  text << " layout=" << attributes.layout << " scales=" << attributes.u_scale << ',' << attributes.x_dbl_scale << ','
       << attributes.y_scale;
  return text.str();
}

}  // namespace vmamba
