// The part of ONNX Runtime's C interface that a custom operator needs; binary compatible from release 1.17 on.
//
// Source: onnxruntime_c_api.h, ORT_API_VERSION 17. Published slots of OrtApi never move. The wheels bring no header;
// -DSS2D_ORT_HEADER with one on the include path compares slots and layout with it.
#ifndef VMAMBA_CPU_ORT_API_H
#define VMAMBA_CPU_ORT_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef SS2D_ORT_HEADER
#include <onnxruntime_c_api.h>
#define SS2D_SLOT(number, name) static_assert(offsetof(OrtApi, name) == (number) * sizeof(void*), #name);
#else
#define SS2D_SLOT(number, name)
#endif

namespace ort {

constexpr uint32_t kApiVersion = 17;

struct Status;
struct SessionOptions;
struct CustomOpDomain;
struct KernelInfo;
struct KernelContext;
struct Value;
struct TensorShape;
struct CustomOp;

enum ErrorCode : int { kFail = 1, kInvalidArgument = 2 };
enum ElementType : int { kFloat = 1, kUint8 = 2 };
enum Characteristic : int { kRequired = 0 };
enum MemoryType : int { kMemoryDefault = 0 };

// OrtApi: a table of function pointers, called by slot.
struct Api {
  void* slots[275];

#define SS2D_CALL(number, official, name, parameters, arguments)                \
  SS2D_SLOT(number, official)                                                   \
  Status* name parameters const {                                               \
    return reinterpret_cast<Status*(*) parameters>(slots[number]) arguments;    \
  }
  SS2D_CALL(0, CreateStatus, create_status, (ErrorCode code, const char* text), (code, text))
  SS2D_CALL(26, CreateCustomOpDomain, create_domain, (const char* name, CustomOpDomain** out), (name, out))
  SS2D_CALL(27, CustomOpDomain_Add, add_op, (CustomOpDomain* domain, const CustomOp* op), (domain, op))
  SS2D_CALL(28, AddCustomOpDomain, add_domain, (SessionOptions* to, CustomOpDomain* domain), (to, domain))
  SS2D_CALL(51, GetTensorMutableData, data, (Value* value, void** out), (value, out))
  SS2D_CALL(61, GetDimensionsCount, rank, (const TensorShape* of, size_t* out), (of, out))
  SS2D_CALL(62, GetDimensions, dimensions, (const TensorShape* of, int64_t* out, size_t rank), (of, out, rank))
  SS2D_CALL(65, GetTensorTypeAndShape, shape, (const Value* value, TensorShape** out), (value, out))
  SS2D_CALL(85, KernelInfoGetAttribute_float, attribute_float, (const KernelInfo* info, const char* name, float* out),
            (info, name, out))
  SS2D_CALL(87, KernelInfoGetAttribute_string, attribute_string,
            (const KernelInfo* info, const char* name, char* out, size_t* bytes), (info, name, out, bytes))
  SS2D_CALL(90, KernelContext_GetInput, input, (const KernelContext* in, size_t index, const Value** out),
            (in, index, out))
  SS2D_CALL(91, KernelContext_GetOutput, output,
            (KernelContext* in, size_t index, const int64_t* shape, size_t rank, Value** out),
            (in, index, shape, rank, out))
  SS2D_CALL(163, KernelInfoGetAttributeArray_int64, attribute_ints,
            (const KernelInfo* info, const char* name, int64_t* out, size_t* count), (info, name, out, count))
  SS2D_CALL(249, KernelInfoGetConstantInput_tensor, constant_input,
            (const KernelInfo* info, size_t index, int* is_constant, const Value** out),
            (info, index, is_constant, out))
  SS2D_CALL(274, KernelContext_ParallelFor, parallel_for,
            (const KernelContext* in, void (*task)(void*, size_t), size_t tasks, size_t batches, void* argument),
            (in, task, tasks, batches, argument))
#undef SS2D_CALL

  SS2D_SLOT(99, ReleaseTensorTypeAndShapeInfo)
  void release_shape(TensorShape* shape) const { reinterpret_cast<void (*)(TensorShape*)>(slots[99])(shape); }
};

// OrtApiBase.
struct ApiBase {
  const Api* (*get_api)(uint32_t version);
  const char* (*version)();
};

// OrtCustomOp of version 17. Null is allowed for what is void* here.
struct CustomOp {
  uint32_t version;
  void* create_v1;
  const char* (*name)(const CustomOp*);
  const char* (*provider)(const CustomOp*);
  ElementType (*input_type)(const CustomOp*, size_t index);
  size_t (*input_count)(const CustomOp*);
  ElementType (*output_type)(const CustomOp*, size_t index);
  size_t (*output_count)(const CustomOp*);
  void* compute_v1;
  void (*destroy)(void* kernel);
  Characteristic (*input_kind)(const CustomOp*, size_t index);
  Characteristic (*output_kind)(const CustomOp*, size_t index);
  MemoryType (*input_memory)(const CustomOp*, size_t index);
  void* variadic[4];
  Status* (*create)(const CustomOp*, const Api*, const KernelInfo*, void** kernel);
  Status* (*compute)(void* kernel, KernelContext*);
  void* infer_shape;
  int (*start_version)(const CustomOp*);
  int (*end_version)(const CustomOp*);
};
static_assert(sizeof(CustomOp) == 22 * sizeof(void*), "22 words, as ONNX Runtime reads them");

#ifdef SS2D_ORT_HEADER
#define SS2D_MEMBER(ours, official) \
  static_assert(offsetof(CustomOp, ours) == offsetof(OrtCustomOp, official), #official)
SS2D_MEMBER(name, GetName);
SS2D_MEMBER(input_type, GetInputType);
SS2D_MEMBER(output_count, GetOutputTypeCount);
SS2D_MEMBER(destroy, KernelDestroy);
SS2D_MEMBER(input_kind, GetInputCharacteristic);
SS2D_MEMBER(input_memory, GetInputMemoryType);
SS2D_MEMBER(create, CreateKernelV2);
SS2D_MEMBER(compute, KernelComputeV2);
SS2D_MEMBER(end_version, GetEndVersion);
#undef SS2D_MEMBER
#endif
#undef SS2D_SLOT

}  // namespace ort

#endif
