-- next_window --
-- Where the next window ends: its size after the first row that is not loaded, at most at the
-- settled bound, and never before the watermark (if a clock went back, or a transaction holds the
-- bound).
select
    next_window.high::text as high,
    next_window.high >= next_window.settled as is_last,
    first.moment::text as moment,
    coalesce(
        extract(epoch from next_window.high - {{ origin }}::timestamptz)
        / nullif(extract(epoch from next_window.settled - {{ origin }}::timestamptz), 0),
        0
    ) as share
from (
    -- Always one row. An index finds it, and a foreign server sends no other.
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
        greatest({{ low }}::timestamptz, {{ settled }}::timestamptz) as settled,
        case
            when first.moment is null
                then greatest({{ low }}::timestamptz, {{ settled }}::timestamptz)
            else least(
                greatest({{ low }}::timestamptz, {{ settled }}::timestamptz),
                -- In autumn, a row of the hour that occurs twice may be before the watermark.
                greatest({{ low }}::timestamptz, first.moment)
                + {{ size }}::interval * {{ share }}::double precision
            )
        end as high
) as next_window
