#pragma once

#include <pthread.h>

namespace usaged::app {

// What the calling thread is called in `top -H` and in a debugger; 15 letters at most.
inline void name_thread(const char* name) { pthread_setname_np(pthread_self(), name); }

}  // namespace usaged::app
