#include "net/credential_cache.h"

namespace usaged::net {
namespace {

enum class Need { kNone, kAdvised, kRequired };

bool same(const sigv4::Credentials& a, const sigv4::Credentials& b) {
  return a.access_key_id == b.access_key_id && a.session_token == b.session_token &&
         a.secret_access_key == b.secret_access_key;
}

}  // namespace

FoundCredentials CredentialCache::get(const std::string& key, core::Time now,
                                      const sigv4::Credentials* rejected, const Fetch& fetch) {
  std::unique_lock lock(mutex_);
  Entry& entry = entries_[key];  // stays where it is, whatever else comes and goes
  const auto need = [&] {
    if (!entry.found || (rejected != nullptr && same(entry.found->keys, *rejected))) {
      return Need::kRequired;
    }
    const auto& expires = entry.found->expires;
    if (!expires) return now >= entry.look_again ? Need::kRequired : Need::kNone;
    if (now >= *expires - kMandatoryRefresh) return Need::kRequired;
    const bool due = now >= *expires - kAdvisoryRefresh && now >= entry.look_again;
    return due ? Need::kAdvised : Need::kNone;
  };
  if (need() == Need::kNone || (need() == Need::kAdvised && entry.fetching)) return *entry.found;
  if (entry.fetching) {
    const int round = entry.rounds;
    fetched_.wait(lock, [&] { return entry.rounds != round; });
    if (entry.error) std::rethrow_exception(entry.error);
    return *entry.found;
  }
  const bool tolerant = need() == Need::kAdvised;
  entry.fetching = true;
  lock.unlock();
  std::optional<FoundCredentials> fresh;
  std::exception_ptr error;
  try {
    fresh = fetch();
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  entry.fetching = false;
  ++entry.rounds;
  entry.error = tolerant ? nullptr : error;
  entry.look_again = now + kLookAgain;
  if (fresh) entry.found = std::move(fresh);
  fetched_.notify_all();
  if (entry.error) std::rethrow_exception(entry.error);
  return *entry.found;
}

}  // namespace usaged::net
