-- edges --
-- Moments in the form of the cursor: in local time of its zone, if its type has none. In autumn,
-- when clocks are set back, an hour occurs twice: an hour of slack on both sides covers either
-- meaning.
select
    jsonb_object_agg(
        edges.name,
        case
            when not %(is_naive)s then edges.moment::text
            else ((edges.moment at time zone %(zone)s::text) + edges.slack)::text
        end
    ) as edges
from (
    values
    ('low', %(low)s::timestamptz, -%(slack)s::interval),
    ('high', %(high)s::timestamptz, %(slack)s::interval),
    ('start', %(start)s::timestamptz, -%(slack)s::interval),
    ('soon', %(clock)s::timestamptz + interval '1 hour', %(slack)s::interval),
    ('ahead', %(clock)s::timestamptz + interval '1 day', %(slack)s::interval),
    (
        'behind',
        greatest(
            least(%(low)s::timestamptz, %(since)s::timestamptz) - %(lookback)s::interval,
            %(start)s::timestamptz
        ),
        -%(slack)s::interval
    )
) as edges (name, moment, slack)
