#include "web/actions.h"

#include <charconv>

#include "core/error.h"
#include "core/silence.h"
#include "core/text.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;
using core::Time;

constexpr std::size_t kMostText = 1000;

// The members of a JSON object, each asked for once; done() complains of the rest.
class Members {
 public:
  explicit Members(const std::string& body) : json_(Json::parse(body, nullptr, false)) {
    if (!json_.is_object()) {
      throw Error(ErrorCode::kInvalid, "the body must be a JSON object");
    }
  }

  bool has(const std::string& name) const { return json_.contains(name); }

  // "" if it is not there.
  std::string text(const std::string& name) {
    if (!has(name)) return "";
    const Json value = take(name);
    if (!value.is_string() || value.get_ref<const std::string&>().size() > kMostText) {
      throw Error(ErrorCode::kInvalid, "{}: must be a text of at most {} bytes", name, kMostText);
    }
    std::string text = value.get<std::string>();
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < ' ') {
        throw Error(ErrorCode::kInvalid, "{}: must be one line", name);
      }
    }
    return text;
  }

  std::vector<std::string> texts(const std::string& name) {
    if (!has(name)) return {};
    const Json value = take(name);
    const bool good = value.is_array() &&
                      std::ranges::all_of(value, [](const Json& one) { return one.is_string(); });
    if (!good) throw Error(ErrorCode::kInvalid, "{}: must be an array of texts", name);
    return value.get<std::vector<std::string>>();
  }

  std::optional<std::int64_t> number(const std::string& name) {
    if (!has(name)) return std::nullopt;
    const Json value = take(name);
    if (!value.is_number_integer()) {
      throw Error(ErrorCode::kInvalid, "{}: must be a whole number", name);
    }
    return value.get<std::int64_t>();
  }

  std::optional<Time> time(const std::string& name, Time now) {
    const std::string value = text(name);
    if (value.empty()) return std::nullopt;
    try {
      return core::parse_time(value, now);
    } catch (const Error& e) {
      throw Error(ErrorCode::kInvalid, "{}: {}", name, e.what());
    }
  }

  void done(const std::vector<std::string>& allowed) const {
    if (json_.empty()) return;
    const std::string& name = json_.items().begin().key();
    const std::string near = core::nearest(name, allowed);
    throw Error(ErrorCode::kInvalid, "{}: is not known; {}", name,
                near.empty() ? "allowed: " + core::join(allowed, ", ")
                             : fmt::format("did you mean '{}'?", near));
  }

 private:
  Json take(const std::string& name) {
    Json value = json_[name];
    json_.erase(name);
    return value;
  }

  Json json_;
};

std::int64_t number_of(const std::string& id, const char* what) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc{} || end != id.data() + id.size()) {
    throw Error(ErrorCode::kNotFound, "there is no {} {}", what, id);
  }
  return number;
}

Json done(Json data) {
  return {{"data", std::move(data)}, {"completeness", nullptr}, {"next_cursor", nullptr}};
}

}  // namespace

Json add_silence(const Actors& actors, const std::string& body, Time now) {
  Members members(body);
  core::Silence silence;
  for (const std::string& text : members.texts("matchers")) {
    try {
      silence.matchers.push_back(core::parse_matcher(text));
    } catch (const Error& e) {
      throw Error(ErrorCode::kInvalid, "matchers: {}", e.what());
    }
  }
  silence.starts_at = members.time("starts_at", now).value_or(now);
  const bool both = members.has("ends_at") == members.has("duration");
  if (both) throw Error(ErrorCode::kInvalid, "write either ends_at or duration");
  const auto end = members.time("ends_at", now);
  try {
    const std::string duration = members.text("duration");
    silence.ends_at = end ? *end : silence.starts_at + core::parse_duration(duration);
  } catch (const Error& e) {
    throw Error(ErrorCode::kInvalid, "duration: {}", e.what());
  }
  silence.created_by = members.text("created_by");
  silence.comment = members.text("comment");
  silence.created_at = now;
  members.done({"matchers", "starts_at", "ends_at", "duration", "created_by", "comment"});
  core::check_silence(silence, now);
  silence.id = actors.store->add_silence(silence);
  actors.changed();
  return done(silence_json(silence, now));
}

Json end_silence(const Actors& actors, const std::string& id, Time now) {
  const core::Silence silence = actors.store->end_silence(number_of(id, "silence"), now);
  actors.changed();
  return done(silence_json(silence, now));
}

Json acknowledge(const Actors& actors, const std::string& id, const std::string& body, Time now) {
  Members members(body);
  const std::string by = members.text("by");
  const std::string comment = members.text("comment");
  members.done({"by", "comment"});
  if (by.empty()) throw Error(ErrorCode::kInvalid, "by: say who looks after it");
  const core::Alert alert = actors.store->acknowledge(number_of(id, "alert"), by, comment, now);
  actors.changed();
  return done(alert_json(alert));
}

Json redrive(const Actors& actors, const std::string& body, Time now) {
  Members members(body);
  const auto id = members.number("id");
  const std::string receiver = members.text("receiver");
  members.done({"id", "receiver"});
  const int count = actors.store->redrive(id, receiver, now);
  if (id && count == 0) throw Error(ErrorCode::kNotFound, "there is no dead message {}", *id);
  actors.changed();
  return done({{"redriven", count}});
}

Json poll_now(const Actors& actors, const std::string& body) {
  std::vector<std::string> targets;
  if (!body.empty()) {
    Members members(body);
    targets = members.texts("targets");
    members.done({"targets"});
  }
  Json polls = Json::array();
  for (const auto& [target, region] : actors.poll_now(targets)) {
    polls.push_back({{"target", target}, {"region", region}});
  }
  return done(std::move(polls));
}

Json reload(const Actors& actors, const std::string& body) {
  if (!body.empty()) Members(body).done({});
  actors.reload();
  return done({{"reloaded", true}});
}

}  // namespace usaged::web
