-- Checks
-- Question: Do the figures add up?
-- Meaning:  What each check found in its last build, failed ones first. A failed check stops its
--           build: readers keep the version before. A check that warned did not stop it.
-- Width:    half
-- Columns:
--     check_name: Check, text
--     status: Status, text
--     bad_rows: Bad rows, number
--     checked_at: When (UTC), time

select
    checks.check_name,
    checks.status,
    checks.bad_rows,
    checks.checked_at
from reporting.data_checks as checks
order by
    case checks.status when 'failed' then 1 when 'warned' then 2 else 3 end,
    checks.check_name collate "C";
