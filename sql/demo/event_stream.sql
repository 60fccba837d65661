-- demo.event_stream
-- Grain: fills public.event_stream; one row per invented event of a miles-and-rewards app.
-- Rerun: adds as many events as asked for. The first batch wants an empty table; a further one,
--        with is_append, starts at the newest created_at and brings at most `users` new users.
-- Why:   a warehouse is judged by what it shows, so the data have the shape of real growth.
--
-- The model. Users arrive at a growing rate. A life is a row of stays with gaps of weeks between
-- them, or, for the loyal, one stay without end. A stay is made of visits, a visit of some events
-- within half an hour. Events are shared out to the stays in the batch, so their number is exact.
-- Users like one or two groups of categories, and have three habits in each group. Miles are
-- spent out of what was saved before. One event in a hundred arrives late.
--
-- Nothing is random: each draw is a hash of seed, purpose and number. So the same values give the
-- same rows, and a further batch, given the same seed, meets the same users in the middle of the
-- same lives. Arithmetic is + - * / and sqrt alone, which are the same on every machine.

-- Each query runs once: compiling it would cost more than it saves.
set local jit = off;

-- A number in [0, 1). Hash partitions rely on these two hashes, so no version of PostgreSQL may
-- change them, and little-endian machines agree on them. They are fast, and the purpose is hashed
-- once, when a query is planned.
create or replace function pg_temp.draw(number bigint, purpose text)
returns double precision
language sql
immutable
as $$
    select
        (hashint8extended(number, hashtextextended(purpose, {{ seed }})) >> 11 & 9007199254740991)
        / double precision '9007199254740992'
$$;

-- The same, but nearer to 0 more often.
create or replace function pg_temp.low_draw(number bigint, purpose text)
returns double precision
language sql
immutable
as $$
    select pg_temp.draw(number, purpose) * pg_temp.draw(number, purpose)
$$;

-- Grain: one row per tick. A week has some thousand ticks, and busy hours have more than quiet
-- ones: what is spread evenly over ticks follows the rhythm of days and weeks on the clock.
create temporary table pg_temp.ticks as
with hours as (
    select
        (weekday.place - 1) * 24 + hour.place - 1 as hour_of_week,
        weekday.weight * hour.weight as ticks
    from unnest(array[4, 4, 4, 4, 5, 6, 5]) with ordinality as weekday (weight, place)
    cross join unnest(
        array[2, 1, 1, 1, 1, 2, 4, 6, 7, 6, 6, 7, 9, 8, 6, 6, 6, 7, 9, 10, 10, 9, 6, 4]
    ) with ordinality as hour (weight, place)
)

select
    row_number() over (order by hours.hour_of_week, part.number) - 1 as tick,
    hours.hour_of_week + (part.number - 1) / hours.ticks::double precision as starts_at,
    1 / hours.ticks::double precision as hours
from hours
cross join generate_series(1, hours.ticks) as part (number);

-- Grain: one row per user who is there already; none in the first batch.
create temporary table pg_temp.known_users as
select
    substr(events.user_id, 3)::bigint as user_number,
    min(events.event_time) as joined_at,
    sum(
        case events.event_type
            when 'miles_earned' then events.miles_amount
            when 'miles_redeemed' then -events.miles_amount
            else 0
        end
    ) as savings
from public.event_stream as events
where
    {{ is_append }}
    and events.user_id ~ '^u_\d{5,9}$'
group by events.user_id;

-- Grain: one row, the batch. Clocks count hours from a Monday, midnight in UTC.
create temporary table pg_temp.batch as
with known as (
    select
        count(*) as users,
        coalesce(max(user_number), 0) as last_user_number
    from pg_temp.known_users
),

span as (
    select
        {{ start_time }}::timestamptz as start_time,
        date_trunc('week', {{ start_time }}::timestamptz at time zone 'utc')
        at time zone 'utc' as monday,
        extract(epoch from {{ end_time }}::timestamptz - {{ start_time }}::timestamptz)
        / 3600 as hours
)

select
    span.start_time,
    span.monday,
    extract(epoch from span.start_time - span.monday)::double precision / 3600 as opens_at,
    span.hours::double precision as hours,
    (span.hours * 3600000000)::bigint as microseconds,
    (select count(*) from pg_temp.ticks) as week_ticks,
    known.last_user_number,
    -- Later batches go on at the pace of growth, but most of their events are of known users.
    case
        when known.users = 0 then least({{ users }}, {{ events }})
        else least({{ users }}, {{ events }} / 20, ceil(known.users * span.hours / 24 * 0.008))
    end::bigint as arrivals,
    -- Events of another batch draw other numbers.
    extract(epoch from span.start_time)::bigint as first_number
from span
cross join known;

-- Grain: one row per country, with the batch's bounds on its clock and in its ticks.
create temporary table pg_temp.countries as
with countries (country, from_percent, to_percent, utc_offset, appeal) as (
    values
    ('SG', 0, 26, 8, 1.2),
    ('ID', 26, 48, 7, 0.9),
    ('MY', 48, 66, 8, 1.05),
    ('PH', 66, 81, 8, 0.85),
    ('TH', 81, 93, 7, 1.0),
    ('VN', 93, 100, 7, 0.75)
),

bounds as (
    select
        countries.country,
        edges.edge,
        edges.clock,
        floor(edges.clock / 168) as week
    from countries
    cross join pg_temp.batch as batch
    cross join lateral (
        values
        ('opens', batch.opens_at + countries.utc_offset),
        ('closes', batch.opens_at + countries.utc_offset + batch.hours)
    ) as edges (edge, clock)
),

ticked as (
    select
        bounds.country,
        bounds.edge,
        bounds.clock,
        bounds.week * batch.week_ticks + nearest.tick
        + (bounds.clock - bounds.week * 168 - nearest.starts_at) / nearest.hours as tick
    from bounds
    cross join pg_temp.batch as batch
    cross join lateral (
        select
            ticks.tick,
            ticks.starts_at,
            ticks.hours
        from pg_temp.ticks as ticks
        where ticks.starts_at <= bounds.clock - bounds.week * 168
        order by ticks.tick desc
        limit 1
    ) as nearest
)

select
    countries.country,
    countries.from_percent,
    countries.to_percent,
    countries.utc_offset,
    countries.appeal,
    opening.clock as opens_at,
    opening.tick as opening_tick,
    closing.tick as closing_tick
from countries
inner join ticked as opening on countries.country = opening.country and opening.edge = 'opens'
inner join ticked as closing on countries.country = closing.country and closing.edge = 'closes';

-- Grain: one row per use and slot. A group has 12 slots for each use, popular categories more of
-- them than others; slots 12 to 23 are those of group 1, and so on.
-- For what is redeemed, the range is in per cent of the savings and not in miles.
create temporary table pg_temp.slots as
with categories (taste, use, category, slots, range_from, range_to) as (
    values
    -- Group 1, shopping.
    (1, 'earn', 'ecommerce', 5, 80, 119),
    (1, 'earn', 'shopping', 3, 800, 1199),
    (1, 'earn', 'fashion', 2, 150, 420),
    (1, 'earn', 'electronics', 2, 300, 900),
    (1, 'search', 'shopee', 5, null, null),
    (1, 'search', 'apple', 4, null, null),
    (1, 'search', 'zalora', 3, null, null),
    (1, 'treat', 'gift_card', 8, 40, 95),
    (1, 'treat', 'electronics', 4, 60, 100),
    -- Group 2, food.
    (2, 'earn', 'dining', 5, 400, 599),
    (2, 'earn', 'grocery', 3, 60, 180),
    (2, 'earn', 'delivery', 2, 40, 120),
    (2, 'earn', 'cafe', 2, 20, 60),
    (2, 'search', 'foodpanda', 6, null, null),
    (2, 'search', 'starbucks', 4, null, null),
    (2, 'search', 'chope', 2, null, null),
    (2, 'treat', 'dining', 8, 50, 95),
    (2, 'treat', 'cafe', 4, 30, 70),
    -- Group 3, travel.
    (3, 'earn', 'ride_hailing', 5, 30, 110),
    (3, 'earn', 'hotel', 3, 400, 900),
    (3, 'earn', 'car_rental', 2, 250, 600),
    (3, 'earn', 'tours', 2, 150, 450),
    (3, 'search', 'agoda', 5, null, null),
    (3, 'search', 'klook', 4, null, null),
    (3, 'search', 'airasia', 3, null, null),
    (3, 'treat', 'lounge', 8, 50, 90),
    (3, 'treat', 'seat_upgrade', 4, 60, 100),
    -- Group 4, bills.
    (4, 'earn', 'fuel', 5, 90, 240),
    (4, 'earn', 'utilities', 3, 120, 260),
    (4, 'earn', 'telecom', 2, 60, 150),
    (4, 'earn', 'insurance', 2, 500, 1100),
    (4, 'search', 'shell', 6, null, null),
    (4, 'search', 'singtel', 4, null, null),
    (4, 'search', 'allianz', 2, null, null),
    (4, 'treat', 'bill_credit', 9, 40, 95),
    (4, 'treat', 'donation', 3, 20, 60),
    -- Group 5, entertainment.
    (5, 'earn', 'streaming', 5, 30, 80),
    (5, 'earn', 'cinema', 3, 60, 140),
    (5, 'earn', 'gaming', 2, 50, 300),
    (5, 'earn', 'concert', 2, 350, 800),
    (5, 'search', 'netflix', 5, null, null),
    (5, 'search', 'spotify', 4, null, null),
    (5, 'search', 'steam', 3, null, null),
    (5, 'treat', 'cinema', 8, 40, 90),
    (5, 'treat', 'concert', 4, 60, 100),
    -- Group 6, wellness.
    (6, 'earn', 'pharmacy', 5, 40, 160),
    (6, 'earn', 'beauty', 3, 100, 300),
    (6, 'earn', 'fitness', 2, 200, 450),
    (6, 'earn', 'spa', 2, 250, 600),
    (6, 'search', 'lululemon', 6, null, null),
    (6, 'search', 'sephora', 4, null, null),
    (6, 'search', 'decathlon', 2, null, null),
    (6, 'treat', 'spa', 8, 50, 95),
    (6, 'treat', 'fitness', 4, 40, 90),
    -- Every group saves for a trip.
    (null, 'trip', 'flight', 7, 75, 100),
    (null, 'trip', 'hotel', 5, 60, 95)
)

select
    categories.use,
    12 * tastes.taste - 1 + row_number() over (
        partition by tastes.taste, categories.use
        order by categories.slots desc, categories.category asc, part.number asc
    ) as slot,
    categories.category,
    categories.range_from,
    categories.range_to
from categories
inner join generate_series(1, 6) as tastes (taste)
    on tastes.taste = coalesce(categories.taste, tastes.taste)
cross join generate_series(1, categories.slots) as part (number);

-- Grain: one row per user, known or new, with what stays the same for life.
create temporary table pg_temp.users as
with sources (utm_source, from_percent, to_percent, quality, lookers) as (
    values
    ('google', 0, 26, 1.0, 0.15),
    ('facebook', 26, 47, 0.8, 0.2),
    ('organic', 47, 66, 1.2, 0.1),
    ('tiktok', 66, 79, 0.5, 0.4),
    ('referral', 79, 88, 1.4, 0.05),
    ('affiliate', 88, 93, 0.6, 0.3),
    ('newsletter', 93, 96, 1.1, 0.1),
    ('partner_app', 96, 99, 0.9, 0.15),
    ('qr_code', 99, 100, 0.7, 0.25)
),

platforms (platform, from_percent, to_percent) as (
    values
    ('android', 0, 46),
    ('ios', 46, 83),
    ('web', 83, 100)
),

moments as (
    select
        arrival.number,
        pg_temp.draw(batch.first_number + arrival.number, 'arrival') as moment
    from pg_temp.batch as batch
    cross join generate_series(1, batch.arrivals) as arrival (number)
),

-- Numbers are given in the order of arrival.
arrivals as (
    select
        batch.last_user_number
        + row_number() over (order by moments.moment, moments.number) as user_number,
        case
            -- A later batch is too short to grow.
            when batch.last_user_number > 0 then moments.moment
            -- The first of all is there at once.
            when row_number() over (order by moments.moment, moments.number) = 1 then 0
            -- A rate that trebles adds up to a square, so a root turns it round.
            else (sqrt(1 + 8 * moments.moment) - 1) / 2
        end as moment
    from moments
    cross join pg_temp.batch as batch
),

people as (
    select
        known.user_number,
        false as is_new,
        extract(epoch from known.joined_at - batch.monday)::double precision / 3600 as joined_at,
        null as moment,
        known.savings
    from pg_temp.known_users as known
    cross join pg_temp.batch as batch
    union all
    select
        arrivals.user_number,
        true as is_new,
        null as joined_at,
        arrivals.moment,
        0 as savings
    from arrivals
),

draws as (
    select
        people.user_number,
        100 * pg_temp.draw(people.user_number, 'country') as country_percent,
        100 * pg_temp.draw(people.user_number, 'source') as source_percent,
        100 * pg_temp.draw(people.user_number, 'platform') as platform_percent,
        pg_temp.draw(people.user_number, 'taste') as taste
    from people
),

members as (
    select
        people.user_number,
        people.is_new,
        people.savings,
        sources.utm_source,
        sources.lookers,
        (sources.quality * countries.appeal)::double precision as quality,
        platforms.platform,
        countries.country,
        countries.opens_at,
        countries.opening_tick,
        countries.closing_tick,
        1 + floor(3 * draws.taste * (1 + draws.taste))::integer as taste,
        people.joined_at + countries.utc_offset as joined_at,
        countries.opening_tick
        + people.moment * (countries.closing_tick - countries.opening_tick) as arrival_tick
    from people
    inner join draws on people.user_number = draws.user_number
    inner join sources
        on
            draws.source_percent >= sources.from_percent
            and draws.source_percent < sources.to_percent
    inner join platforms
        on
            draws.platform_percent >= platforms.from_percent
            and draws.platform_percent < platforms.to_percent
    inner join pg_temp.countries as countries
        on
            draws.country_percent >= countries.from_percent
            and draws.country_percent < countries.to_percent
),

-- When the life began, in ticks and in hours since the batch opened. For a known user the clock
-- does for the ticks, from which it is never far.
joined as (
    select
        members.user_number,
        case
            when members.is_new then members.arrival_tick
            else least(members.joined_at / 168 * batch.week_ticks, members.opening_tick)
        end as joining_tick,
        case
            when members.is_new
                then
                    floor(members.arrival_tick / batch.week_ticks) * 168 + ticks.starts_at
                    + (members.arrival_tick - floor(members.arrival_tick)) * ticks.hours
            else members.joined_at
        end - members.opens_at as joined_at
    from members
    cross join pg_temp.batch as batch
    left join pg_temp.ticks as ticks
        on
            ticks.tick
            = floor(members.arrival_tick)
            - floor(members.arrival_tick / batch.week_ticks) * batch.week_ticks
)

select
    members.user_number,
    'u_' || lpad(
        members.user_number::text, greatest(5, length(members.user_number::text)), '0'
    ) as user_id,
    members.is_new,
    members.utm_source,
    members.platform,
    -- One in six takes up a second device now and then.
    case
        when pg_temp.draw(members.user_number, 'devices') >= 0.16 then members.platform
        when members.platform = 'web' then 'android'
        else 'web'
    end as second_platform,
    members.country,
    -- A few move abroad.
    case
        when pg_temp.draw(members.user_number, 'move') >= 0.02 then members.country
        when members.country = 'SG' then 'MY'
        else 'SG'
    end as next_country,
    joined.joining_tick
    + (10 + 50 * pg_temp.draw(members.user_number, 'day of move')) / 7 * batch.week_ticks
        as moving_tick,
    members.taste,
    -- Some like one group only, the others one more.
    case
        when pg_temp.draw(members.user_number, 'tastes') < 0.4 then members.taste
        else 1 + (
            members.taste + floor(5 * pg_temp.draw(members.user_number, 'second taste'))::integer
        ) % 6
    end as second_taste,
    members.quality,
    -- Somebody stays for ever, whatever is drawn, to have the events of every batch.
    members.user_number = min(members.user_number) over ()
    or pg_temp.draw(members.user_number, 'loyal') < 0.12 * members.quality as is_loyal,
    (0.3 + 2.5 * pg_temp.low_draw(members.user_number, 'pace')) * (0.5 + members.quality / 2)
        as pace,
    1 + floor(5 * pg_temp.draw(members.user_number, 'visit'))::integer as visit_size,
    -- Enough for a treat or two, lest every batch begin with a rush on trips.
    greatest(0, least(members.savings, 1100))::integer as savings,
    members.opens_at,
    members.opening_tick,
    members.closing_tick,
    joined.joining_tick,
    floor(3600000000 * joined.joined_at)::bigint as joined_at,
    -- Some only look around at first; it is what tells the sources apart.
    floor(
        3600000000 * (
            joined.joined_at + case
                when pg_temp.draw(members.user_number, 'looker') >= members.lookers then 0
                else 24 * (8 + 20 * pg_temp.low_draw(members.user_number, 'days of looking'))
            end
        )
    )::bigint as earns_from
from members
inner join joined on members.user_number = joined.user_number
cross join pg_temp.batch as batch;

-- Grain: one row per stay, or part of one, that lies in the batch.
create temporary table pg_temp.stays as
with planned as (
    select
        users.user_number,
        stay.number as stay,
        users.user_number * 8 + stay.number as stay_number,
        case
            when users.is_loyal then 'infinity'
            else
                1 + 60 * users.quality
                * pg_temp.low_draw(users.user_number * 8 + stay.number, 'days')
        end as days,
        12 + 80 * pg_temp.low_draw(users.user_number * 8 + stay.number, 'days away') as days_away
    from pg_temp.users as users
    cross join generate_series(1, 7) as stay (number)
    where
        stay.number = 1
        -- Many never come back.
        or (
            not users.is_loyal
            and stay.number <= 1 + 6 * users.quality * pg_temp.low_draw(users.user_number, 'stays')
        )
),

placed as (
    select
        planned.user_number,
        planned.stay,
        planned.stay_number,
        planned.days,
        coalesce(
            sum(planned.days + planned.days_away) over (
                partition by planned.user_number
                order by planned.stay
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as day
    from planned
),

clipped as (
    select
        placed.user_number,
        placed.stay,
        placed.stay_number,
        greatest(
            users.joining_tick + placed.day / 7 * batch.week_ticks,
            users.opening_tick
        ) as first_tick,
        least(
            users.joining_tick + (placed.day + placed.days) / 7 * batch.week_ticks,
            users.closing_tick
        ) as last_tick
    from placed
    inner join pg_temp.users as users on placed.user_number = users.user_number
    cross join pg_temp.batch as batch
)

select
    clipped.stay_number,
    clipped.user_number,
    users.is_new and clipped.stay = 1 as is_first,
    -- Some come back by the newsletter.
    case
        when clipped.stay > 1 and pg_temp.draw(clipped.stay_number, 'newsletter') < 0.12
            then 'newsletter'
        else users.utm_source
    end as utm_source,
    users.visit_size,
    clipped.first_tick,
    clipped.last_tick,
    ceil(users.pace * (clipped.last_tick - clipped.first_tick))::bigint as weight
from clipped
inner join pg_temp.users as users on clipped.user_number = users.user_number
where clipped.first_tick < clipped.last_tick;

-- Grain: one row per stay that has events in the batch. Their sum is the number asked for.
create temporary table pg_temp.shares as
with expected as (
    select
        stays.stay_number,
        stays.is_first,
        stays.visit_size,
        stays.weight * ({{ events }} - batch.arrivals) / sum(stays.weight) over () as events,
        row_number() over (order by stays.stay_number) = 1 as is_oldest
    from pg_temp.stays as stays
    cross join pg_temp.batch as batch
),

-- Less than a visit becomes a whole visit or none, lest all users come once in a short batch.
whole as (
    select
        expected.stay_number,
        expected.is_first,
        case
            when expected.is_oldest then greatest(expected.events, 1)
            when expected.events >= expected.visit_size then expected.events
            when
                pg_temp.draw(batch.first_number + expected.stay_number, 'whole visit')
                * expected.visit_size < expected.events then expected.visit_size
            else 0
        end as events
    from expected
    cross join pg_temp.batch as batch
),

-- Running sums, each rounded down, differ by whole numbers that add up to the last of them.
running as (
    select
        whole.stay_number,
        whole.is_first,
        div(
            sum(whole.events) over (order by whole.stay_number)
            * ({{ events }} - batch.arrivals),
            sum(whole.events) over ()
        ) as events
    from whole
    cross join pg_temp.batch as batch
),

-- Whoever arrives has one event for certain.
shared as (
    select
        running.stay_number,
        running.events - lag(running.events, 1, 0) over (order by running.stay_number)
        + running.is_first::integer as events
    from running
)

select
    shared.stay_number,
    shared.events::integer as events,
    batch.first_number
    + (sum(shared.events) over (order by shared.stay_number) - shared.events)::bigint
        as first_number
from shared
cross join pg_temp.batch as batch
where shared.events > 0;

-- The planner knows nothing of new tables.
analyze pg_temp.ticks, pg_temp.batch, pg_temp.users, pg_temp.stays, pg_temp.shares;

-- Grain: one row per visit, numbered as its first event is.
create temporary table pg_temp.visits as
with visits as (
    select
        visit.number,
        stays.user_number,
        stays.utm_source,
        least(stays.visit_size, shares.first_number + shares.events - visit.number) as events,
        stays.is_first and visit.number = shares.first_number as is_first,
        -- Visits have equal parts of the stay, and any moment of their part. The first of all
        -- begins with the life.
        stays.first_tick + (stays.last_tick - stays.first_tick) * (
            (visit.number - shares.first_number) / stays.visit_size + case
                when stays.is_first and visit.number = shares.first_number then 0
                else pg_temp.draw(visit.number, 'visit')
            end
        ) / ((shares.events - 1) / stays.visit_size + 1) as tick
    from pg_temp.shares as shares
    inner join pg_temp.stays as stays on shares.stay_number = stays.stay_number
    cross join generate_series(
        shares.first_number, shares.first_number + shares.events - 1, stays.visit_size
    ) as visit (number)
)

select
    visits.number as visit_number,
    visits.user_number,
    visits.is_first,
    visits.events,
    case
        when pg_temp.draw(visits.number, 'device') < 0.3 then users.second_platform
        else users.platform
    end as platform,
    visits.utm_source,
    case
        when visits.tick < users.moving_tick then users.country
        else users.next_country
    end as country,
    -- In hours since the batch opened.
    floor(visits.tick / batch.week_ticks) * 168 + ticks.starts_at
    + (visits.tick - floor(visits.tick)) * ticks.hours - users.opens_at as starts_at
from visits
inner join pg_temp.users as users on visits.user_number = users.user_number
cross join pg_temp.batch as batch
inner join pg_temp.ticks as ticks
    on
        ticks.tick
        = floor(visits.tick) - floor(visits.tick / batch.week_ticks) * batch.week_ticks;

analyze pg_temp.slots, pg_temp.visits;

insert into public.event_stream (
    event_time,
    user_id,
    event_type,
    transaction_category,
    miles_amount,
    platform,
    utm_source,
    country,
    created_at
)
-- Times are in microseconds since the batch opened.
with acts as (
    select
        visits.visit_number + place.number as number,
        visits.visit_number,
        visits.user_number,
        visits.is_first and place.number = 0 as is_first,
        -- A visit takes half an hour, or what is left of the batch. Rounding never leaves it.
        greatest(
            {{ is_append }}::integer,
            least(
                batch.microseconds - 1,
                floor(
                    3600000000 * (
                        visits.starts_at + least(0.5, batch.hours - visits.starts_at) * (
                            place.number + case
                                when visits.is_first and place.number = 0 then 0
                                else pg_temp.draw(visits.visit_number + place.number, 'moment')
                            end
                        ) / visits.events
                    )
                )::bigint
            )
        ) as arrives_at
    from pg_temp.visits as visits
    inner join generate_series(0, 4) as place (number) on visits.events > place.number
    cross join pg_temp.batch as batch
),

meant as (
    select
        acts.number,
        acts.visit_number,
        acts.user_number,
        acts.arrives_at,
        users.savings,
        case
            when pg_temp.draw(acts.number, 'type') < 0.10 and not acts.is_first then 'share'
            when pg_temp.draw(acts.number, 'type') < 0.15 and not acts.is_first then 'like'
            when pg_temp.draw(acts.number, 'type') < 0.215 then 'reward_search'
            when acts.arrives_at < users.earns_from then 'reward_search'
            when pg_temp.draw(acts.number, 'type') < 0.805 or acts.is_first then 'miles_earned'
            else 'miles_redeemed'
        end as event_type,
        case
            when pg_temp.draw(acts.number, 'taste') < 0.62 then users.taste
            when pg_temp.draw(acts.number, 'taste') < 0.92 then users.second_taste
            else 1 + floor(6 * pg_temp.draw(acts.number, 'whim'))::integer
        end as taste,
        floor(3 * pg_temp.low_draw(acts.number, 'habit'))::integer as habit
    from acts
    inner join pg_temp.users as users on acts.user_number = users.user_number
),

-- A habit is the same slot each time.
habitual as (
    select
        meant.number,
        meant.visit_number,
        meant.user_number,
        meant.arrives_at,
        meant.savings,
        meant.event_type,
        12 * meant.taste + floor(
            12 * pg_temp.draw(meant.user_number * 32 + meant.taste * 4 + meant.habit, 'slot')
        )::bigint as slot
    from meant
),

earned as (
    select
        habitual.number,
        habitual.visit_number,
        habitual.user_number,
        habitual.arrives_at,
        habitual.savings,
        habitual.event_type,
        habitual.slot,
        slots.range_from + floor(
            (slots.range_to - slots.range_from + 1) * pg_temp.draw(habitual.number, 'miles')
        )::integer as miles
    from habitual
    left join pg_temp.slots as slots
        on
            habitual.slot = slots.slot
            and slots.use = 'earn'
            and habitual.event_type = 'miles_earned'
),

saved as (
    select
        earned.number,
        earned.visit_number,
        earned.user_number,
        earned.arrives_at,
        earned.event_type,
        earned.slot,
        earned.miles,
        earned.savings + coalesce(
            sum(earned.miles) over (
                partition by earned.user_number
                order by earned.arrives_at, earned.number
                rows between unbounded preceding and current row
            ),
            0
        ) as savings
    from earned
),

-- What was saved up to the last redemption is spent or put aside.
spendable as (
    select
        saved.number,
        saved.visit_number,
        saved.arrives_at,
        saved.event_type,
        saved.slot,
        saved.miles,
        saved.savings - coalesce(
            max(saved.savings) filter (where saved.event_type = 'miles_redeemed') over (
                partition by saved.user_number
                order by saved.arrives_at, saved.number
                rows between unbounded preceding and 1 preceding
            ),
            0
        ) as savings
    from saved
),

-- Large savings buy a trip, small ones a treat; who has none looks at what there is.
used as (
    select
        spendable.number,
        spendable.visit_number,
        spendable.arrives_at,
        spendable.event_type,
        spendable.slot,
        spendable.miles,
        spendable.savings,
        case
            when spendable.event_type = 'miles_earned' then 'earn'
            when spendable.event_type = 'reward_search' then 'search'
            when spendable.event_type != 'miles_redeemed' then null
            when spendable.savings >= 1000 then 'trip'
            when spendable.savings >= 50 then 'treat'
            else 'search'
        end as use,
        1000000 * case
            when pg_temp.draw(spendable.number, 'late') < 0.01
                then 600 + 258600 * pg_temp.low_draw(spendable.number, 'seconds late')
            else 1 + 59 * pg_temp.low_draw(spendable.number, 'seconds')
        end as delay
    from spendable
)

select
    -- Nobody does a thing before joining.
    batch.start_time + interval '1 microsecond' * (
        used.arrives_at - floor(
            case
                when used.delay < used.arrives_at - users.joined_at then used.delay
                else (used.arrives_at - users.joined_at) * pg_temp.draw(used.number, 'room')
            end
        )
    ) as event_time,
    users.user_id,
    case when used.use = 'search' then 'reward_search' else used.event_type end as event_type,
    slots.category,
    case
        when used.use = 'earn' then used.miles
        when used.use in ('treat', 'trip')
            then ceil(
                used.savings * (
                    slots.range_from
                    + (slots.range_to - slots.range_from) * pg_temp.draw(used.number, 'miles')
                ) / 100
            )
    end as miles_amount,
    -- One in a thousand lacks an attribute.
    case when pg_temp.draw(used.number, 'lack') >= 0.0005 then visits.platform end as platform,
    case when pg_temp.draw(used.number, 'lack') < 0.9995 then visits.utm_source end as utm_source,
    visits.country,
    batch.start_time + interval '1 microsecond' * used.arrives_at as created_at
from used
inner join pg_temp.visits as visits on used.visit_number = visits.visit_number
inner join pg_temp.users as users on visits.user_number = users.user_number
cross join pg_temp.batch as batch
left join pg_temp.slots as slots
    on
        used.slot = slots.slot
        and used.use = slots.use
order by
    created_at,
    used.number;

drop table pg_temp.visits;
drop table pg_temp.shares;
drop table pg_temp.stays;
drop table pg_temp.users;
drop table pg_temp.slots;
drop table pg_temp.countries;
drop table pg_temp.batch;
drop table pg_temp.known_users;
drop table pg_temp.ticks;
drop function pg_temp.low_draw(bigint, text);
drop function pg_temp.draw(bigint, text);
