-- ranges --
-- The parts of a range that can be filled: those below the watermark and within `only`.
select
    lower(ranges.part)::text as low,
    upper(ranges.part)::text as high
from (
    select
        unnest(
            tstzmultirange(
                tstzrange(%(low)s::timestamptz, %(high)s::timestamptz)
                * tstzrange(%(start)s::timestamptz, %(watermark)s::timestamptz)
            )
            * %(only)s::tstzmultirange
        ) as part
) as ranges
order by ranges.part
