// How well spikes are found: bench_spikes [FIRST_SEED] [SEEDS], against labelled synthetic usage;
// or bench_spikes FILE.csv, against labelled sums of 30 days: the columns of `import` and a last
// one, `label`, with 1 while a spike lasts and 0 else; by cost, a series an account, region and
// type, polls by the hour.
//
// Each seed is an organization of series whose hourly usage is known: levels over three orders of
// magnitude, weekends, hours of business, growth, deployments that step, month ends, usage that
// comes and goes, accounts that join and ramp up, half of them after a free trial; and in it spikes
// of 1.5 to 12 times the usual for 6 hours to 4 days, which are the labels. It is rolled into sums
// of 30 days, polled every hour with 2% of the polls and now and then days missing, and values
// restated.
//
// Scored by events, without point adjustment: a spike is found if an alert overlaps it (and a day
// after it); an alert is right if it overlaps one. Each rival has the threshold that scores best on
// the very seeds reported: what no operator could have.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/csv.h"
#include "core/daily.h"
#include "core/error.h"
#include "core/spike.h"

namespace usaged {
namespace {

using core::Time;

constexpr int kDays = 150;
constexpr int kHours = 24 * kDays;
constexpr int kWarmUp = 40;  // days before the first that is used, so that the sums are full
constexpr int kSeries = 60;
constexpr double kMinAmount = 0.5;
constexpr double kNothing = 0.01;          // of a mean day
constexpr std::int64_t kFirstDay = 20454;  // 2026-01-01
constexpr int kTrial = 15 * 24;

struct Event {
  int from;  // hours since the first poll
  int to;
  double factor;
};

struct Series {
  std::string kind;
  std::vector<double> usage;  // by hour, from kWarmUp days before the first poll on
  std::vector<Event> events;
  std::vector<double> sums;          // by hour, of polls; NaN: missed
  std::vector<double> sums_without;  // the same had there been no spikes
  int joined = -1;                   // hour; -1: before the first poll
  int ramps_from = -1;               // the end of its trial, if it had one
  double level = 0;
  std::int64_t first_day = kFirstDay;

  int hours() const { return static_cast<int>(sums.size()); }
  Time time_of(int hour) const {
    return core::from_unix(first_day * 86400 + std::int64_t{hour} * 3600);
  }

  double used(int from, int to) const {  // hours since the first poll
    double sum = 0;
    for (int hour = std::max(from, -kWarmUp * 24); hour < to; ++hour) {
      sum += usage[static_cast<std::size_t>(hour + kWarmUp * 24)];
    }
    return sum;
  }
};

Series make_series(std::mt19937_64& random, int index) {
  std::uniform_real_distribution<double> unit(0, 1);
  std::normal_distribution<double> normal(0, 1);
  Series series;
  const double level = std::exp(1.5 + 1.5 * normal(random));  // a day
  series.level = level;
  const double noise = 0.02 + 0.12 * unit(random) * unit(random);
  const double weekend = unit(random) < 0.5 ? 0.5 + 0.4 * unit(random) : 1;
  const bool business = unit(random) < 0.3;
  const double growth = 0.002 * normal(random);
  const bool month_end = unit(random) < 0.1;
  const bool intermittent = index % 12 == 7;
  if (index % 6 == 5) {
    series.joined = static_cast<int>(unit(random) * 24 * kDays * 0.6);
    series.ramps_from = series.joined + (index % 12 == 11 ? kTrial : 0);
  }
  series.kind = intermittent ? "intermittent" : month_end ? "month end" : "steady";
  double step = 1;
  std::vector<double> days;
  for (int day = -kWarmUp; day < kDays; ++day) {
    if (unit(random) < 1.0 / 80) step *= 0.8 + 0.5 * unit(random);
    const std::int64_t date = kFirstDay + day;
    const std::int64_t weekday = (date + 4) % 7;
    const std::chrono::year_month_day ymd{std::chrono::sys_days{std::chrono::days{date}}};
    const auto of_month = static_cast<unsigned>(ymd.day());
    double value = level * step * std::exp(growth * day) * std::exp(noise * normal(random));
    if (weekday == 0 || weekday == 6) value *= weekend;
    if (month_end && of_month <= 2) value *= 1.35;
    if (intermittent && unit(random) < 0.7) value = 0;
    for (int hour = 0; hour < 24; ++hour) {
      const double share = business ? (hour >= 8 && hour < 18 ? 1.8 : 6.0 / 14) : 1;
      series.usage.push_back(value / 24 * share);
    }
  }
  std::vector<double> without = series.usage;
  // Spikes, well apart, and not before the joining.
  int hour = 24 * (10 + static_cast<int>(unit(random) * 30));
  while (hour < kHours - 24 * 6) {
    const double factor = 1.5 * std::pow(8.0, unit(random));
    const int length = 6 + static_cast<int>(90 * unit(random) * unit(random));
    if (!intermittent && (series.joined < 0 || hour > series.ramps_from + 24 * 8)) {
      for (int i = hour; i < hour + length; ++i) {
        series.usage[static_cast<std::size_t>(i + kWarmUp * 24)] *= factor;
      }
      series.events.push_back({hour, hour + length, factor});
    }
    hour += length + 24 * (12 + static_cast<int>(unit(random) * 70));
  }
  if (series.joined >= 0) {
    for (int i = 0; i < series.ramps_from + kWarmUp * 24; ++i) {
      series.usage[static_cast<std::size_t>(i)] = 0;
      without[static_cast<std::size_t>(i)] = 0;
    }
  }
  // The polls.
  const auto added_up = [](const std::vector<double>& usage) {
    std::vector<double> prefix{0};
    for (const double used : usage) prefix.push_back(prefix.back() + used);
    return prefix;
  };
  const std::vector<double> prefix = added_up(series.usage);
  const std::vector<double> prefix_without = added_up(without);
  int outage = 0;
  double restated = 1;
  for (int poll = 0; poll < kHours; ++poll) {
    const auto end = static_cast<std::size_t>(poll + kWarmUp * 24);
    const double sum = prefix[end] - prefix[end - 30 * 24];
    const double sum_without = prefix_without[end] - prefix_without[end - 30 * 24];
    if (unit(random) < 1.0 / (24 * 60)) outage = 6 + static_cast<int>(60 * unit(random));
    if (unit(random) < 1.0 / (24 * 90)) restated = 1 + 0.01 * normal(random);
    if (unit(random) < 1.0 / 24) restated = 1;  // put right within a day or so
    const bool missed = outage-- > 0 || unit(random) < 0.02 || poll < series.joined;
    series.sums.push_back(missed ? NAN : sum * restated);
    series.sums_without.push_back(missed ? NAN : sum_without * restated);
  }
  return series;
}

// A score at each poll; NaN: nothing is said. Higher is more of a spike.
using Scores = std::vector<double>;

struct Tally {
  int found = 0;
  int events = 0;
  int right = 0;
  int alerts = 0;
  int echoes = 0;    // alerts while an event leaves, which without it would not be
  int ramps = 0;     // in the first 30 days of an account that joined, with usual usage
  double delay = 0;  // polls, of those found

  void add(const Tally& other) {
    found += other.found;
    events += other.events;
    right += other.right;
    alerts += other.alerts;
    echoes += other.echoes;
    ramps += other.ramps;
    delay += other.delay;
  }
  double precision() const { return alerts > 0 ? static_cast<double>(right) / alerts : 1; }
  double recall() const { return events > 0 ? static_cast<double>(found) / events : 1; }
  double f1() const {
    const double p = precision();
    const double r = recall();
    return p + r > 0 ? 2 * p * r / (p + r) : 0;
  }
};

struct Alert {
  int from;
  int to;
};

// One poll over it fires; six in a row below the recovery end it.
std::vector<Alert> alerts_of(const Scores& scores, double threshold, double recovery) {
  std::vector<Alert> alerts;
  int under = 0;
  bool firing = false;
  for (int i = 0; i < static_cast<int>(scores.size()); ++i) {
    const double score = scores[static_cast<std::size_t>(i)];
    if (std::isnan(score)) continue;
    if (!firing) {
      if (score < threshold) continue;
      alerts.push_back({i, i});
      firing = true;
      under = 0;
    } else {
      alerts.back().to = i;
      under = score < threshold * recovery ? under + 1 : 0;
      if (under < 6) continue;
      firing = false;
    }
  }
  return alerts;
}

bool overlaps(const Alert& alert, int from, int to) { return alert.from < to && alert.to >= from; }

Tally tally(const Series& series, const std::vector<Alert>& alerts,
            const std::vector<Alert>& ceiling, const std::vector<Alert>& without) {
  constexpr int kGrace = 24;
  Tally result;
  for (const Event& event : series.events) {
    ++result.events;
    const auto hit = std::ranges::find_if(alerts, [&](const Alert& alert) {
      return alert.from >= event.from && alert.from < event.to + kGrace;
    });
    if (hit == alerts.end()) continue;
    ++result.found;
    result.delay += hit->from - event.from;
  }
  for (const Alert& alert : alerts) {
    ++result.alerts;
    const bool right = std::ranges::any_of(series.events, [&](const Event& event) {
      return alert.from >= event.from && alert.from < event.to + kGrace;
    });
    if (right) {
      ++result.right;
      continue;
    }
    // The usage itself was more than usual, or the alert is there without any spike too.
    const auto there_too = [&](const std::vector<Alert>& others) {
      return std::ranges::any_of(others, [&](const Alert& other) {
        return overlaps(other, alert.from - 24, alert.to + 24);
      });
    };
    if (there_too(ceiling)) continue;
    result.echoes +=
        !there_too(without) && std::ranges::any_of(series.events, [&](const Event& event) {
          return overlaps(alert, event.from + 720, event.to + 720 + 36);
        });
    result.ramps += series.joined >= 0 && alert.from < series.ramps_from + 720;
  }
  return result;
}

// The sum of the poll nearest to an hour, if it is near.
double sum_near(const Series& series, int hour) {
  for (const int off : {0, -1, 1}) {
    const int at = hour + off;
    if (at < 0 || at >= series.hours() || std::isnan(series.sums[static_cast<std::size_t>(at)]))
      continue;
    return series.sums[static_cast<std::size_t>(at)];
  }
  return NAN;
}

std::optional<double> bend_at(const Series& series, int hour) {
  if (hour < 0) return std::nullopt;
  const int midnight = hour / 24 * 24;
  const double bent = core::bend(sum_near(series, hour), sum_near(series, midnight),
                                 sum_near(series, midnight + 24), (hour - midnight) / 24.0);
  return std::isnan(bent) ? std::nullopt : std::optional(bent);
}

double largest_step(const Series& series, int from, int to) {
  double largest = 0;
  int steps = 0;
  double last = NAN;
  for (int poll = from; poll <= to; ++poll) {
    const double sum = series.sums[static_cast<std::size_t>(poll)];
    if (std::isnan(sum)) continue;
    if (!std::isnan(last)) {
      largest = std::max(largest, sum - last);
      ++steps;
    }
    last = sum;
  }
  return steps < 6 ? 0 : largest;
}

core::Part exact(double value) { return {value, value, value}; }

// The detector. `truth`: on the true usage of the days, instead of the days rebuilt from the sums.
Scores detector(const Series& series, bool truth) {
  Scores scores(series.sums.size(), NAN);
  core::SpikeOptions options;
  options.min_amount = kMinAmount;
  std::vector<core::DaySums> sums;
  std::vector<core::UsageDay> history;
  for (int poll = 0; poll < series.hours(); ++poll) {
    const int day = poll / 24;
    if (poll % 24 == 0 && poll > 0) {
      history.clear();
      if (truth) {
        for (int past = std::max(0, series.ramps_from / 24 + 1); past < day; ++past) {
          const double used = series.used(past * 24, past * 24 + 24);
          history.push_back({series.first_day + past, {used, used, used}});
        }
      } else if (!sums.empty()) {
        for (const core::Day& past : core::rebuild_days(sums)) {
          if (past.day >= series.first_day + day) continue;
          core::UsageDay one{past.day, {past.low, past.high, past.estimate}};
          if (std::isinf(past.high)) one.usage.high.reset();
          history.push_back(one);
        }
      }
    }
    const double sum = series.sums[static_cast<std::size_t>(poll)];
    if (std::isnan(sum)) continue;
    const auto baseline = core::make_baseline(history, kNothing * sum / 30);
    const std::int64_t date = series.first_day + day;
    if (sums.empty() || sums.back().day != date) {
      core::DaySums fresh;
      fresh.day = date;
      fresh.first_at = series.time_of(poll);
      fresh.first = sum;
      fresh.begins = sums.empty();
      if (fresh.begins && series.joined >= 0) fresh.nothing_before = date;
      sums.push_back(fresh);
    }
    sums.back().last_at = series.time_of(poll);
    sums.back().last = sum;
    if (!baseline) continue;
    // The poll nearest to a day ago.
    int before = -1;
    for (const int ago : {24, 23, 25, 22, 26, 21, 27, 20, 28, 19, 29, 18, 30}) {
      if (poll < ago || std::isnan(series.sums[static_cast<std::size_t>(poll - ago)])) continue;
      before = poll - ago;
      break;
    }
    if (before < 0) continue;
    core::SpikeJudgement judged;
    if (truth) {
      judged = core::judge_spike(*baseline, options, series.time_of(before), series.time_of(poll),
                                 series.used(before - 720, before), series.used(poll - 720, poll),
                                 exact(series.used(before - 720, poll - 720)));
    } else {
      const double earlier = series.sums[static_cast<std::size_t>(before)];
      const core::UsageByHours left = core::usage_by_hours(
          *baseline, history, series.time_of(before - 720), series.time_of(poll - 720),
          bend_at(series, before - 720), bend_at(series, poll - 720));
      const core::Echo echo = core::explain(
          earlier, sum, series.time_of(poll) - series.time_of(before), left.usage, {});
      judged = core::judge_spike(*baseline, options, series.time_of(before), series.time_of(poll),
                                 earlier, sum, echo.left, left.doubt,
                                 largest_step(series, before, poll));
    }
    const double over = judged.threshold - judged.expected;
    const double score = (judged.value - judged.expected) / over;
    scores[static_cast<std::size_t>(poll)] = judged.firing ? score : std::min(score, 0.99);
  }
  return scores;
}

// The alerts that there would have been without any spike.
std::vector<Alert> without_spikes(const Series& series) {
  if (series.sums_without.empty()) return {};
  Series other = series;
  other.sums = series.sums_without;
  return alerts_of(detector(other, false), 1, 0.5);
}

// What a user has without: a score from the sums of the last days alone.
Scores rival(const Series& series,
             const std::function<double(const std::vector<double>& past, double now)>& score,
             bool differences, int days) {
  Scores scores(series.sums.size(), NAN);
  std::vector<std::pair<int, double>> past;
  for (int poll = 0; poll < series.hours(); ++poll) {
    const double sum = series.sums[static_cast<std::size_t>(poll)];
    if (std::isnan(sum)) continue;
    double value = sum;
    if (differences) {
      if (poll < 24 || std::isnan(series.sums[static_cast<std::size_t>(poll - 24)])) continue;
      value = sum - series.sums[static_cast<std::size_t>(poll - 24)];
    }
    std::vector<double> values;
    for (const auto& [at, one] : past) {
      if (at >= poll - 24 * days && at < poll - 12) values.push_back(one);
    }
    if (values.size() >= 24 * 5) scores[static_cast<std::size_t>(poll)] = score(values, value);
    past.emplace_back(poll, value);
    if (past.size() > static_cast<std::size_t>(24 * (days + 2))) past.erase(past.begin());
  }
  return scores;
}

double z_score(const std::vector<double>& past, double now) {
  double mean = 0;
  for (const double value : past) mean += value / static_cast<double>(past.size());
  double variance = 0;
  for (const double value : past) {
    variance += (value - mean) * (value - mean) / static_cast<double>(past.size());
  }
  return (now - mean) / std::max(std::sqrt(variance), 1e-9);
}

double mad_score(const std::vector<double>& past, double now) {
  std::vector<double> sorted = past;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::ranges::nth_element(sorted, middle);
  const double median = *middle;
  for (double& value : sorted) value = std::abs(value - median);
  std::ranges::nth_element(sorted, middle);
  return (now - median) / std::max(1.4826 * *middle, 1e-9);
}

// The best threshold of a rival, by F1 over all series.
double best_threshold(const std::vector<Series>& all, const std::vector<Scores>& scores,
                      const std::vector<std::vector<Alert>>& ceiling,
                      const std::vector<std::vector<Alert>>& without,
                      const std::vector<double>& choices) {
  double best = choices.front();
  double best_f1 = -1;
  for (const double threshold : choices) {
    Tally sum;
    for (std::size_t i = 0; i < all.size(); ++i) {
      sum.add(tally(all[i], alerts_of(scores[i], threshold, 0.5), ceiling[i], without[i]));
    }
    if (sum.f1() <= best_f1) continue;
    best_f1 = sum.f1();
    best = threshold;
  }
  return best;
}

std::vector<double> steps(double first, double factor, int count) {
  std::vector<double> result;
  for (int i = 0; i < count; ++i, first *= factor) result.push_back(first);
  return result;
}

void print(const std::string& name, double threshold, const Tally& sum, double series_months) {
  fmt::print("{:<34} {:>9.3g} {:>9.3f} {:>7.3f} {:>7.3f} {:>7.1f} {:>9.3f} {:>7} {:>6}\n", name,
             threshold, sum.precision(), sum.recall(), sum.f1(),
             sum.found > 0 ? sum.delay / sum.found : 0,
             static_cast<double>(sum.alerts - sum.right) / series_months, sum.echoes, sum.ramps);
}

// The series of a file of labelled sums.
std::vector<Series> read_labelled(const std::string& path) {
  struct Poll {
    Time at;
    double sum;
    bool spike;
  };
  std::ifstream in(path);
  if (!in) throw core::Error(core::ErrorCode::kNotFound, "can't read {}", path);
  std::string line;
  std::getline(in, line);
  std::map<std::string, std::size_t> column;
  const std::vector<std::string> header = core::csv_cells(line);
  for (std::size_t i = 0; i < header.size(); ++i) column[header[i]] = i;
  std::map<std::string, std::vector<Poll>> polls;
  for (int number = 2; std::getline(in, line); ++number) {
    const std::vector<std::string> cells = core::csv_cells(line);
    const auto cell = [&](const char* name) -> const std::string& {
      const auto found = column.find(name);
      if (found == column.end() || found->second >= cells.size()) {
        throw core::Error(core::ErrorCode::kInvalid, "{}:{}: has no {}", path, number, name);
      }
      return cells[found->second];
    };
    const std::string& cost = cell("estimated_monthly_cost");
    if (cost.empty()) continue;
    polls[cell("account_id") + " " + cell("region") + " " + cell("usage_type")].push_back(
        {core::parse_time(cell("taken_at"), Time{}), std::stod(cost), cell("label") == "1"});
  }
  std::vector<Series> all;
  for (auto& [name, of] : polls) {
    std::ranges::sort(of, {}, &Poll::at);
    Series& series = all.emplace_back();
    series.kind = "as labelled";
    series.first_day = core::unix_seconds(of.front().at) / 86400;
    for (const Poll& poll : of) {
      const auto hour = static_cast<std::size_t>((poll.at - series.time_of(0)).count() / 3600);
      series.sums.resize(hour + 1, NAN);
      series.sums[hour] = poll.sum;
      if (!poll.spike) continue;
      const int at = static_cast<int>(hour);
      // Labelled polls with less than half a day between them are of one spike.
      if (series.events.empty() || at > series.events.back().to + 12) {
        series.events.push_back({at, at, 0});
      }
      series.events.back().to = at + 1;
    }
  }
  return all;
}

int run(int argc, char** argv) {
  const std::string file = argc > 1 && std::string(argv[1]).ends_with(".csv") ? argv[1] : "";
  const int first = argc > 1 ? std::atoi(argv[1]) : 101;
  const int seeds = argc > 2 ? std::atoi(argv[2]) : 10;
  std::vector<Series> all;
  if (!file.empty()) all = read_labelled(file);
  for (int seed = first; file.empty() && seed < first + seeds; ++seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    for (int i = 0; i < kSeries; ++i) all.push_back(make_series(random, i));
  }
  std::size_t events = 0;
  double polls = 0;
  for (const Series& series : all) {
    events += series.events.size();
    polls += static_cast<double>(series.sums.size());
  }
  const double series_months = polls / (30 * 24);
  fmt::print("{}: {} series, {:.0f} months of them, {} spikes\n\n",
             file.empty() ? fmt::format("seeds {} to {}", first, first + seeds - 1) : file,
             all.size(), series_months, events);
  fmt::print("{:<34} {:>9} {:>9} {:>7} {:>7} {:>7} {:>9} {:>7} {:>6}\n", "", "threshold",
             "precision", "recall", "F1", "delay", "false/mo", "echoes", "ramps");
  // Where the usage itself was most of the way to a spike.
  constexpr double kNearly = 0.7;
  std::vector<std::vector<Alert>> ceiling;
  Tally sum;
  for (const Series& series : all) {
    if (!file.empty()) break;  // nobody knows it
    const Scores scores = detector(series, true);
    ceiling.push_back(alerts_of(scores, kNearly, 0.5));
    sum.add(tally(series, alerts_of(scores, 1, 0.5), ceiling.back(), {}));
  }
  if (file.empty()) print("the detector on the true usage", 1, sum, series_months);
  ceiling.resize(all.size());
  sum = {};
  const auto began = std::chrono::steady_clock::now();
  std::map<std::string, Tally> by_kind;
  std::map<std::string, std::pair<int, int>> by_factor;
  std::vector<Scores> judged;
  for (const Series& series : all) judged.push_back(detector(series, false));
  const double took =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto alerts = alerts_of(judged[i], 1, 0.5);
    const Tally one = tally(all[i], alerts, ceiling[i], without_spikes(all[i]));
    by_kind[all[i].kind].add(one);
    for (const Event& event : all[i].events) {
      if (!file.empty()) break;
      auto& [found, there] = by_factor[event.factor < 2   ? "1.5 to 2 times"
                                       : event.factor < 4 ? "2 to 4 times"
                                                          : "4 to 12 times"];
      ++there;
      found += std::ranges::any_of(alerts, [&](const Alert& alert) {
        return alert.from >= event.from && alert.from < event.to + 24;
      });
    }
    sum.add(one);
  }
  print("the detector on the sums", 1, sum, series_months);

  struct Rival {
    std::string name;
    std::vector<double> choices;
    std::function<Scores(const Series&)> scores;
  };
  const std::vector<Rival> rivals{
      {"percent on the sum, over a day", steps(0.005, 1.25, 25),
       [](const Series& series) {
         Scores scores(series.sums.size(), NAN);
         for (int poll = 24; poll < series.hours(); ++poll) {
           const auto at = static_cast<std::size_t>(poll);
           if (series.sums[at - 24] > 0) scores[at] = series.sums[at] / series.sums[at - 24] - 1;
         }
         return scores;
       }},
      {"z-score on the sum, 14 days", steps(1, 1.2, 20),
       [](const Series& series) { return rival(series, z_score, false, 14); }},
      {"z-score on the differences, 28 days", steps(1, 1.2, 20),
       [](const Series& series) { return rival(series, z_score, true, 28); }},
      {"MAD on the differences, 28 days", steps(1, 1.25, 25),
       [](const Series& series) { return rival(series, mad_score, true, 28); }}};
  for (const Rival& one : rivals) {
    std::vector<Scores> scores;
    std::vector<Scores> calm;
    for (const Series& series : all) {
      scores.push_back(one.scores(series));
      Series other = series;
      if (!series.sums_without.empty()) other.sums = series.sums_without;
      calm.push_back(one.scores(other));
    }
    std::vector<std::vector<Alert>> without(all.size());
    const double threshold = best_threshold(all, scores, ceiling, without, one.choices);
    Tally total;
    for (std::size_t i = 0; i < all.size(); ++i) {
      without[i] = alerts_of(calm[i], threshold, 0.5);
      total.add(tally(all[i], alerts_of(scores[i], threshold, 0.5), ceiling[i], without[i]));
    }
    print(one.name, threshold, total, series_months);
  }
  fmt::print("\nthe detector on the sums, by kind of usage\n");
  for (const auto& [kind, one] : by_kind) print(kind, 1, one, series_months);
  for (const auto& [name, counts] : by_factor) {
    fmt::print("{:<34} found {} of {}\n", name, counts.first, counts.second);
  }
  fmt::print("\n{:.2f} us a poll of a series, the rebuilding of its days among it\n",
             1e6 * took / polls);
  return 0;
}

}  // namespace
}  // namespace usaged

int main(int argc, char** argv) {
  try {
    return usaged::run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
