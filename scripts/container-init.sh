#!/bin/sh
# Process 1 of a container: runs the program that it is given, passes signals on, ends as it ends, and collects the processes
# that others left behind, which a program on Node can't.

"$@" <&0 &
program=$!
for signal in TERM INT HUP; do
  # shellcheck disable=SC2064 # expanded now
  trap "kill -$signal $program" "$signal"
done
while :; do
  wait "$program"
  code=$?
  # A signal ends the wait and not the program.
  kill -0 "$program" 2>/dev/null || exit "$code"
done
