// A breach of the layers, for the check to find. Never compiled.
#include "core/time.h"
#include "net/http.h"
