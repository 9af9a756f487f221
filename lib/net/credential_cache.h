#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/time.h"
#include "net/credentials.h"

namespace usaged::net {

// From 15 minutes before their end on, credentials are fetched anew if that succeeds; from 10
// minutes before it on, they have to be.
inline constexpr core::Seconds kAdvisoryRefresh{15 * 60};
inline constexpr core::Seconds kMandatoryRefresh{10 * 60};
// Credentials without an end are looked for again after this, since files may have changed; one
// that failed to be refreshed ahead of time, too.
inline constexpr core::Seconds kLookAgain{60};

// Credentials by identity. One thread fetches those of an identity at a time; whoever needs them
// waits for it and shares what comes, success or error. While they are only due to be refreshed
// ahead of time, the others go on with what there is. Safe for every thread.
class CredentialCache {
 public:
  using Fetch = std::function<FoundCredentials()>;

  // The credentials under a key, fetched if need be: there are none, they are near their end, or
  // they are the rejected ones (nullptr: none was). Throws what `fetch` throws.
  FoundCredentials get(const std::string& key, core::Time now, const sigv4::Credentials* rejected,
                       const Fetch& fetch);

 private:
  struct Entry {
    std::optional<FoundCredentials> found;
    core::Time look_again;  // if they have no end, or could not be refreshed
    bool fetching = false;
    int rounds = 0;            // fetches that have ended
    std::exception_ptr error;  // of the last one
  };

  std::mutex mutex_;
  std::condition_variable fetched_;
  std::map<std::string, Entry> entries_;
};

}  // namespace usaged::net
