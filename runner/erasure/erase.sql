-- wanted --
-- The values to look for, in the types of the replica.
create temporary table wanted on commit drop as
select {{ wanted_columns }}
from {{ target }} as stored
limit 0;

insert into pg_temp.wanted
values {{ wanted_rows }};

-- forgotten --
-- The keys of the rows that have these values.
create temporary table forgotten on commit drop as
select {{ stored_keys }}
from {{ target }} as stored
where exists (select from pg_temp.wanted as wanted where {{ is_wanted }});

analyze pg_temp.forgotten;

-- source_rows --
-- How many rows of the source have these values, once they are converted to the replica's types.
select count(*) as rows
from (
    select {{ source_columns }}
    from {{ source }} as source
) as fresh
where exists (select from pg_temp.wanted as wanted where {{ is_wanted_fresh }})

-- source_texts --
-- The same for a source with rows that cannot be converted: compared as text.
select count(*) as rows
from {{ source }} as source
where {{ has_texts }}

-- source_keys --
-- How many rows of the source have the keys of these rows.
select count(*) as rows
from (
    select {{ source_columns }}
    from {{ source }} as source
) as fresh
where exists (select from pg_temp.forgotten as forgotten where {{ is_key_of_fresh }})

-- spelled --
-- How the types of the replica spell the values.
select array[{{ wanted_texts }}] as spellings
from pg_temp.wanted as wanted

-- images --
-- Delete earlier versions of these rows, and those of other rows that once had these values.
with images as (
    select
        replaced.replaced_row_id,
        orchestrator.row_of_key(replaced.key, null::{{ target }}) as key_row,
        orchestrator.row_of_key({{ image_object }}, null::{{ target }}) as image,
        {{ image_object }} as texts
    from orchestrator.replaced_rows as replaced
    where replaced.pipeline_id = {{ pipeline_id }}
),

erased as (
    delete from orchestrator.replaced_rows as replaced
    using images
    where
        images.replaced_row_id = replaced.replaced_row_id
        and {{ is_forgotten_image }}
    returning images.texts
)

select array[{{ erased_texts }}] as spellings
from erased

-- rejects --
-- Delete rejected rows with these keys or values.
with images as (
    select
        rejected.rejected_row_id,
        orchestrator.row_of_key(rejected.key, null::{{ target }}) as key_row,
        orchestrator.row_of_key(rejected.source_row, null::{{ target }}) as image,
        rejected.source_row as texts
    from orchestrator.rejected_rows as rejected
    where rejected.pipeline_id = {{ pipeline_id }}
),

erased as (
    delete from orchestrator.rejected_rows as rejected
    using images
    where
        images.rejected_row_id = rejected.rejected_row_id
        and {{ is_forgotten_image }}
    returning images.texts
)

select array[{{ erased_texts }}] as spellings
from erased

-- rows --
-- Delete the rows themselves.
delete from {{ target }} as stored
where exists (select from pg_temp.wanted as wanted where {{ is_wanted }})
returning array[{{ stored_texts }}] as spellings

-- lines --
-- Delete rejected lines of files.
delete from orchestrator.load_rejects as rejects
where rejects.raw_line ~ any({{ fields }}::text[])

-- errors --
-- Clear errors of runs that show a value; the error code stays.
update orchestrator.runs as runs
set error = 'forgotten'
where runs.error ~ any({{ words }}::text[])

-- messages --
-- Clear log messages.
update orchestrator.logs as logs
set
    message = 'forgotten',
    context = '{}'
where
    logs.message ~ any({{ words }}::text[])
    or logs.context::text ~ any({{ words }}::text[])

-- alerts --
-- Clear the texts of alerts; that there was a problem stays.
update orchestrator.alerts as alerts
set
    problem = 'forgotten',
    last_failure = null
where
    alerts.problem ~ any({{ words }}::text[])
    or alerts.last_failure ~ any({{ words }}::text[])

-- samples --
-- Clear samples of checks; how many rows were bad stays.
update orchestrator.check_results as results
set sample = '[]'
where results.sample::text ~ any({{ words }}::text[])

-- restatements --
-- Delete restatements, which have values as readers saw them.
delete from orchestrator.restatements as restatements
where
    restatements.key::text ~ any({{ words }}::text[])
    or restatements.before::text ~ any({{ words }}::text[])
    or restatements.after::text ~ any({{ words }}::text[])

-- observations --
-- Clear labels of observations.
update orchestrator.observations as observations
set label = 'forgotten'
where observations.label ~ any({{ words }}::text[])

-- analyze --
-- Gather statistics again. None are ever gathered of columns with whole rows or texts.
analyze {{ target }}, orchestrator.observations

-- rebuild_in_full --
-- Have the next build of each target fill in full all that depends on the replica. A change set
-- cannot tell it what was erased, since that would keep the values.
update orchestrator.build_inputs as inputs
set replica_file = 0
from (
    select max(consumed.run_id) as run_id
    from orchestrator.build_inputs as consumed
    inner join orchestrator.runs as builds on builds.run_id = consumed.run_id
    where
        consumed.pipeline_id = {{ pipeline_id }}
        and builds.status = 'succeeded'
    group by builds.target
) as newest
where
    inputs.run_id = newest.run_id
    and inputs.pipeline_id = {{ pipeline_id }}
