#pragma once

namespace usaged::app {

// How the whole process keeps its memory, and that no core dump has it. Before any thread.
void prepare_process();

}  // namespace usaged::app
