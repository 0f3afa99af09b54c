#!/usr/bin/env bash
# Hong Kong's exchange was closed all day for weather on 2020-10-13, 2021-10-13, 2023-09-01, 2023-09-08 and 2024-09-06,
# and for a holiday on 2021-04-06. Two calendar libraries have sessions on some of these days, each on others:
#
#   exchange_calendars 4.13.2 (XHKG)        sessions on 2023-09-01 and 2023-09-08
#   pandas_market_calendars 5.5.0 (HKEX)    sessions on 2020-10-13, 2021-04-06, 2021-10-13 and 2024-09-06
#
# The second also has no half days: the eves of Christmas and of the new year end at 16:00 there, at 12:00 in the first.
# So a daily bar that is taken to be missing, or a session that is waited for, depends on which one a tool uses.
#
# Seen on Python 3 on Linux. Ends with 1 if what the libraries say has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet exchange_calendars==4.13.2 pandas_market_calendars==5.5.0
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import exchange_calendars
import pandas_market_calendars

DAYS = ["2020-10-13", "2021-04-06", "2021-10-13", "2023-09-01", "2023-09-08", "2024-09-06"]
one = exchange_calendars.get_calendar("XHKG", start="2020-01-01", end="2024-12-31")
other = pandas_market_calendars.get_calendar("HKEX").schedule("2020-01-01", "2024-12-31")
of_other = {str(day.date()): row for day, row in other.iterrows()}

seen = {}
for day in DAYS:
    seen[day] = (one.is_session(day), day in of_other)
    print(day, "exchange_calendars:", "session" if seen[day][0] else "closed",
          " pandas_market_calendars:", "session" if seen[day][1] else "closed")
ends = (one.session_close("2020-12-24").tz_convert("Asia/Hong_Kong").strftime("%H:%M"),
        of_other["2020-12-24"]["market_close"].tz_convert("Asia/Hong_Kong").strftime("%H:%M"))
print("2020-12-24 ends at", *ends)

want = {day: (day.startswith("2023"), not day.startswith("2023")) for day in DAYS}
sys.exit(0 if seen == want and ends == ("12:00", "16:00") else 1)
PYTHON
