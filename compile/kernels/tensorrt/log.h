// Where the plugin's errors go: the logger of whoever loaded the library, found through what TensorRT hands in.
#ifndef VMAMBA_TENSORRT_LOG_H
#define VMAMBA_TENSORRT_LOG_H

namespace vmamba {

// One line of severity kERROR; to the standard error stream where there is no logger, or none that can be called.
void log_error(const char* text) noexcept;

}  // namespace vmamba

#endif
