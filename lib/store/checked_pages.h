#pragma once

// Pages that carry a checksum, so that one which a disk or another program has changed is noticed
// when it is read, rather than answered from.
//
// A SQLite VFS (https://www.sqlite.org/vfs.html) over the system's. The last eight bytes of each
// page of a database are the checksum of the others, by the algorithm and at the place of SQLite's
// own cksumvfs (https://www.sqlite.org/cksumvfs.html), whose tools can therefore check a file too.
// What is in the write-ahead log has the log's checksums.
namespace usaged::store {

// The name that a connection is opened with. Others read the database as well, but what they write
// has no checksum, and is then taken for damage.
const char* checked_pages();

// What reserves the eight bytes in a database that is about to be made.
inline constexpr int kChecksumBytes = 8;

// Puts the checksum of a page of `size` bytes at its end.
void set_checksum(unsigned char* page, int size);

}  // namespace usaged::store
