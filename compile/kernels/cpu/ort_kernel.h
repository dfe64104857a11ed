// What the operators of this library share on ONNX Runtime's side: tensors in and out, errors as statuses, threads.
#ifndef VMAMBA_CPU_ORT_KERNEL_H
#define VMAMBA_CPU_ORT_KERNEL_H

#include <initializer_list>
#include <new>

#include "ort_api.h"

// Internal linkage: two sources include this.
namespace {

using ort::Api;

constexpr size_t kMaxRank = 6;

struct Tensor {
  void* data = nullptr;
  size_t rank = 0;
  int64_t shape[kMaxRank] = {};

  const float* floats() const { return static_cast<const float*>(data); }
  const uint8_t* codes() const { return static_cast<const uint8_t*>(data); }
  int64_t size() const {
    int64_t product = 1;
    for (size_t i = 0; i < rank; ++i) product *= shape[i];
    return product;
  }
  bool has_shape(std::initializer_list<int64_t> expected) const {
    const int64_t* size = shape;
    for (const int64_t wanted : expected)
      if (*size++ != wanted) return false;
    return rank == expected.size();
  }
};

struct Failure {
  const char* text;
};

// A status of ONNX Runtime on its way out, ready to be returned.
struct Refusal {
  ort::Status* status;
};

inline void require(ort::Status* status) {
  if (status) throw Refusal{status};
}

inline Tensor tensor_from_value(const Api& api, const ort::Value* value) {
  ort::TensorShape* shape = nullptr;
  require(api.shape(value, &shape));
  Tensor tensor;
  ort::Status* status = api.rank(shape, &tensor.rank);
  if (!status && tensor.rank <= kMaxRank) status = api.dimensions(shape, tensor.shape, tensor.rank);
  api.release_shape(shape);
  require(status);
  if (tensor.rank > kMaxRank) throw Failure{"an input has more than 6 dimensions"};
  require(api.data(const_cast<ort::Value*>(value), &tensor.data));
  return tensor;
}

inline Tensor input_from_context(const Api& api, const ort::KernelContext* context, size_t index) {
  const ort::Value* value = nullptr;
  require(api.input(context, index, &value));
  return tensor_from_value(api, value);
}

inline void* output_in_context(const Api& api, ort::KernelContext* context, size_t index, const int64_t* shape,
                               size_t rank) {
  ort::Value* output = nullptr;
  void* data = nullptr;
  require(api.output(context, index, shape, rank, &output));
  require(api.data(output, &data));
  return data;
}

// Runs `work` and turns what it throws into a status: no exception may cross the C interface.
template <typename Work>
ort::Status* guarded(const Api& api, const Work& work) {
  try {
    work();
    return nullptr;
  } catch (const Refusal& refusal) {
    return refusal.status;
  } catch (const Failure& failure) {
    return api.create_status(ort::kInvalidArgument, failure.text);
  } catch (const std::bad_alloc&) {
    return api.create_status(ort::kFail, "vmamba: Failed to allocate memory");
  }
}

}  // namespace

// The fused operators, for the domain that ort_op.cpp registers.
void add_fused_operators(const ort::Api& api, ort::CustomOpDomain* domain);

#endif
