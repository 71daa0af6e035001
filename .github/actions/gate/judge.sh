#!/usr/bin/env bash
# Judge a change: all that is not fixed comes in variables, none of it is part of a command.
# In a workflow of calreg init the same lines stand in the workflow itself.
set -euo pipefail

# git asks this for user and password; the token itself is in no file and no argument.
askpass="$RUNNER_TEMP/calreg-askpass"
cat > "$askpass" <<'END'
#!/bin/sh
case "$1" in Username*) echo x-access-token ;; *) printenv CALREG_FETCH_TOKEN ;; esac
END
chmod 700 "$askpass"
export GIT_ASKPASS="$askpass"

head="${CALREG_HEAD:-$GITHUB_SHA}"
base="$CALREG_BASE"
case "$GITHUB_EVENT_NAME" in
  # The commit of a pull request is the merge as it would be, on the base as it is now.
  pull_request) base="${base:-$head^1}" ;;
  push) base="${base:-$CALREG_PUSHED_FROM}" ;;
  merge_group) ;;
  # The commit of any other event is not the one that is proposed: of pull_request_target it is
  # the base, and nothing would be judged.
  *) head="$CALREG_HEAD" ;;
esac
if [ -z "$base" ] || [ -z "$head" ]; then
  echo "::error title=calreg gate::it could not be told: say base and head for the event $GITHUB_EVENT_NAME"
  exit 2
fi

report="$RUNNER_TEMP/calreg-gate/gate-report.json"
echo "report=$report" >> "$GITHUB_OUTPUT"
"$RUNNER_TEMP/calreg/bin/calreg" --registry "${CALREG_REGISTRY:-.}" gate \
  --from "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" \
  --format github --summary "$GITHUB_STEP_SUMMARY" --report "$report" \
  -- "$base" "$head"
