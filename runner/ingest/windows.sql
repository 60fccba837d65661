-- next_window --
-- Where the next window ends: so much after the first row that is not loaded, at most at the
-- settled bound, never before the watermark (a clock went back, or a transaction holds the bound).
select
    next_window.high::text as high,
    next_window.high >= next_window.settled as is_last,
    first.moment::text as moment,
    coalesce(
        extract(epoch from next_window.high - %(origin)s::timestamptz)
        / nullif(extract(epoch from next_window.settled - %(origin)s::timestamptz), 0),
        0
    ) as share
from (
    -- One row whether there is one or not; an index gives it, and a foreign server one row.
    select (
        select {{ moment }}
        from {{ source }} as source
        where {{ condition }}
        order by {{ cursor }}
        limit 1
    ) as moment
) as first
cross join lateral (
    select
        greatest(%(low)s::timestamptz, %(settled)s::timestamptz) as settled,
        case
            when first.moment is null
                then greatest(%(low)s::timestamptz, %(settled)s::timestamptz)
            else least(
                greatest(%(low)s::timestamptz, %(settled)s::timestamptz),
                -- The hour that comes twice in autumn may be taken for the earlier one.
                greatest(%(low)s::timestamptz, first.moment)
                + %(size)s::interval * %(share)s::double precision
            )
        end as high
) as next_window
