#pragma once

namespace usaged::app {

// How the whole process keeps its memory, and that no core dump has it. Before any thread.
void prepare_process();

// Gives back to the system the pages that are free between others, which free() keeps. After work
// that takes much for a while.
void give_back_memory();

}  // namespace usaged::app
