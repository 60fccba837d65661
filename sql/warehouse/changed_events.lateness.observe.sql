-- How late the events of this build arrived: created_at - event_time, of new and changed rows; in a
-- full build, of all rows.

with arrived as (
    select
        -- 0: written before it happened; 1 to 6: by how much later; null: a time out of range.
        case
            when
                event_time between '2000-01-01 00:00+00' and '9999-12-30 00:00+00'
                and created_at between '2000-01-01 00:00+00' and '9999-12-30 00:00+00'
                then
                    width_bucket(
                        created_at - event_time,
                        array['0', '1 hour', '1 day', '2 days', '7 days', '30 days']::interval[]
                    )
        end as bucket
    from (
        select
            {{ source.event_stream.event_time }} as event_time,
            {{ source.event_stream.created_at }} as created_at,
            _run_id
        from {{ raw }}.raw_event_stream
    ) as events
    {{ incremental }} where
    {{ incremental }}     _run_id > {{ after.event_stream }}
    {{ incremental }}     and _run_id <= {{ through.event_stream }}
),

counted as (
    select
        bucket,
        count(*) as events
    from arrived
    group by bucket
)

select
    labels.label,
    coalesce(counted.events, 0) as value
from (
    values
    (1, 1, 'under 1 hour'),
    (2, 2, '1 hour to 1 day'),
    (3, 3, '1 to 2 days'),
    (4, 4, '2 to 7 days'),
    (5, 5, '7 to 30 days'),
    (6, 6, '30 days or more'),
    (7, 0, 'ahead of the clock'),
    (8, null, 'no sane time')
) as labels (position, bucket, label)
left join counted on counted.bucket is not distinct from labels.bucket
order by labels.position;
