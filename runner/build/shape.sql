-- parts --
-- The columns of tables with their types, the constraints, and the indexes that belong to no
-- constraint. Definitions of indexes are without the name of the schema.
select
    tables.name as table_name,
    parts.kind,
    parts.name,
    parts.definition
from unnest(%(tables)s::text[]) as tables (name)
cross join lateral (
    select
        'columns' as kind,
        attributes.attnum as place,
        attributes.attname as name,
        concat_ws(
            ' ',
            format_type(attributes.atttypid, attributes.atttypmod),
            case when attributes.attnotnull then 'not null' end,
            case
                when attributes.attcollation <> types.typcollation
                    then 'collate ' || attributes.attcollation::regcollation::text
            end,
            case attributes.attgenerated when '' then 'default' else 'generated' end
            || ' ' || pg_get_expr(defaults.adbin, defaults.adrelid),
            'identity ' || nullif(attributes.attidentity::text, '')
        ) as definition
    from pg_attribute as attributes
    inner join pg_type as types on types.oid = attributes.atttypid
    left join pg_attrdef as defaults
        on defaults.adrelid = attributes.attrelid and defaults.adnum = attributes.attnum
    where
        attributes.attrelid = to_regclass(tables.name)
        and attributes.attnum > 0
        and not attributes.attisdropped
    union all
    select
        'constraints' as kind,
        0 as place,
        constraints.conname as name,
        pg_get_constraintdef(constraints.oid) as definition
    from pg_constraint as constraints
    where constraints.conrelid = to_regclass(tables.name)
    union all
    select
        'constraints' as kind,
        0 as place,
        'months' as name,
        pg_get_partkeydef(partitioned.partrelid) as definition
    from pg_partitioned_table as partitioned
    where partitioned.partrelid = to_regclass(tables.name)
    union all
    select
        'indexes' as kind,
        0 as place,
        classes.relname as name,
        replace(
            pg_get_indexdef(indexes.indexrelid),
            format('%%I.', classes.relnamespace::regnamespace::text),
            ''
        ) as definition
    from pg_index as indexes
    inner join pg_class as classes on classes.oid = indexes.indexrelid
    where
        indexes.indrelid = to_regclass(tables.name)
        and not exists (
            select
            from pg_constraint as constraints
            where constraints.conindid = indexes.indexrelid
        )
) as parts
order by tables.name, parts.kind, parts.place

-- keys --
-- Statements that drop the keys and indexes of tables, and that create the keys again.
select
    pg_get_constraintdef(constraints.oid) as definition,
    format(
        'alter table %%s drop constraint %%I', constraints.conrelid::regclass, constraints.conname
    ) as drop,
    format(
        'alter table %%s add constraint %%I %%s',
        constraints.conrelid::regclass,
        constraints.conname,
        pg_get_constraintdef(constraints.oid)
    ) as make
from pg_constraint as constraints
where
    constraints.conrelid = any(%(tables)s::regclass[])
    and constraints.contype in ('p', 'u', 'x')
union all
select
    null as definition,
    format('drop index %%s', indexes.indexrelid::regclass) as drop,
    null as make
from pg_index as indexes
where
    indexes.indrelid = any(%(tables)s::regclass[])
    and not exists (
        select
        from pg_constraint as constraints
        where constraints.conindid = indexes.indexrelid
    )

-- set_up --
-- The tables whose owner, settings or comments differ from those of the tables that would replace
-- them.
select pairs.live as table_name
from unnest(%(tables)s::text[], %(fresh)s::text[]) as pairs (live, fresh)
cross join lateral (
    select count(distinct both_sides.settings) > 1 as differ
    from (
        select
            jsonb_build_array(
                classes.relkind,
                classes.relowner,
                classes.relpersistence,
                classes.reltablespace,
                classes.relreplident,
                classes.relrowsecurity,
                classes.relforcerowsecurity,
                classes.relhasrules,
                classes.relam,
                to_jsonb(classes.reloptions),
                obj_description(classes.oid, 'pg_class'),
                (
                    select jsonb_agg(
                        jsonb_build_array(
                            attributes.attname,
                            attributes.attstattarget,
                            attributes.attstorage,
                            attributes.attcompression,
                            -- Some releases store a version of the column among its options.
                            (
                                select jsonb_agg(options.option order by options.option)
                                from unnest(attributes.attoptions) as options (option)
                                where starts_with(options.option, 'n_distinct')
                            ),
                            col_description(attributes.attrelid, attributes.attnum)
                        )
                        order by attributes.attnum
                    )
                    from pg_attribute as attributes
                    where
                        attributes.attrelid = classes.oid
                        and attributes.attnum > 0
                        and not attributes.attisdropped
                ),
                (
                    select jsonb_agg(
                        jsonb_build_array(
                            names.relname,
                            names.reltablespace,
                            to_jsonb(names.reloptions),
                            indexes.indisclustered,
                            indexes.indisreplident,
                            obj_description(names.oid, 'pg_class')
                        )
                        order by names.relname
                    )
                    from pg_index as indexes
                    inner join pg_class as names on names.oid = indexes.indexrelid
                    where indexes.indrelid = classes.oid
                ),
                (
                    select jsonb_agg(
                        jsonb_build_array(
                            constraints.conname, obj_description(constraints.oid, 'pg_constraint')
                        )
                        order by constraints.conname
                    )
                    from pg_constraint as constraints
                    where constraints.conrelid = classes.oid
                ),
                (
                    select jsonb_agg(parents.inhparent order by parents.inhparent)
                    from pg_inherits as parents
                    where parents.inhrelid = classes.oid
                ),
                (
                    select jsonb_agg(labels.label order by labels.provider, labels.objsubid)
                    from pg_seclabel as labels
                    where labels.classoid = 'pg_class'::regclass and labels.objoid = classes.oid
                )
            ) as settings
        from pg_class as classes
        where classes.oid in (to_regclass(pairs.live), to_regclass(pairs.fresh))
    ) as both_sides
) as settings
where settings.differ

-- dependents --
-- What depends on a table: it would be dropped with the table, or would prevent the drop.
select
    format('%%I.%%I', classes.relnamespace::regnamespace::text, classes.relname) as table_name,
    dependents.what
from unnest(%(tables)s::regclass[]) as tables (relation)
inner join pg_class as classes on classes.oid = tables.relation
cross join lateral (
    select
        'view '
        || format('%%I.%%I', views.relnamespace::regnamespace::text, views.relname) as what
    from pg_depend as dependencies
    inner join pg_rewrite as rules on rules.oid = dependencies.objid
    inner join pg_class as views on views.oid = rules.ev_class
    where
        dependencies.refclassid = 'pg_class'::regclass
        and dependencies.refobjid = classes.oid
        and dependencies.classid = 'pg_rewrite'::regclass
        and views.oid <> classes.oid
        and format('%%I.%%I', views.relnamespace::regnamespace::text, views.relname)
        <> all(%(ours)s)
    union
    select 'function ' || dependencies.objid::regprocedure::text as what
    from pg_depend as dependencies
    where
        dependencies.refobjid in (classes.oid, classes.reltype)
        and dependencies.classid = 'pg_proc'::regclass
    union
    select 'foreign key ' || keys.conname as what
    from pg_constraint as keys
    where
        keys.confrelid = classes.oid
        and keys.conrelid <> classes.oid
    union
    select 'policy ' || policies.polname as what
    from pg_policy as policies
    where policies.polrelid = classes.oid
    union
    select 'trigger ' || triggers.tgname as what
    from pg_trigger as triggers
    where
        triggers.tgrelid = classes.oid
        and not triggers.tgisinternal
    union
    select 'publication ' || publications.pubname as what
    from pg_publication_rel as members
    inner join pg_publication as publications on publications.oid = members.prpubid
    where members.prrelid = classes.oid
    union
    select 'statistics ' || extended.stxname as what
    from pg_statistic_ext as extended
    where extended.stxrelid = classes.oid
    union
    select 'child ' || children.inhrelid::regclass::text as what
    from pg_inherits as children
    inner join pg_class as tables on tables.oid = children.inhrelid
    where
        children.inhparent = classes.oid
        and not tables.relispartition
) as dependents
order by
    table_name,
    dependents.what

-- partitions --
-- The partitions of a table.
select children.inhrelid::regclass::text as name
from pg_inherits as children
where children.inhparent = to_regclass(%(table)s)
order by name

-- strangers --
-- The types and functions of the given schemas that the given tables use.
select distinct
    tables.name as table_name,
    coalesce(types.typname, functions.proname)::text as name
from pg_depend as dependencies
left join pg_attrdef as defaults
    on dependencies.classid = 'pg_attrdef'::regclass and defaults.oid = dependencies.objid
left join pg_constraint as rules
    on dependencies.classid = 'pg_constraint'::regclass and rules.oid = dependencies.objid
left join pg_type as types
    on dependencies.refclassid = 'pg_type'::regclass and types.oid = dependencies.refobjid
left join pg_proc as functions
    on dependencies.refclassid = 'pg_proc'::regclass and functions.oid = dependencies.refobjid
inner join unnest(%(tables)s::text[]) as tables (name)
    on
        to_regclass(tables.name)
        = case dependencies.classid
            when 'pg_class'::regclass then dependencies.objid
            when 'pg_attrdef'::regclass then defaults.adrelid
            when 'pg_constraint'::regclass then rules.conrelid
        end
where
    coalesce(types.typnamespace, functions.pronamespace)::regnamespace::text
    = any(%(schemas)s)

-- grants --
-- The statements that give a relation, by its final name, the owner and exactly the grants of
-- another.
select statements.text
from (
    select
        1 as place,
        format('alter table %%s owner to %%I', %(final)s::text, pg_get_userbyid(classes.relowner))
            as text
    from pg_class as classes
    where classes.oid = to_regclass(%(old)s)
    union all
    select
        2 as place,
        format('revoke all on %%s from %%s', %(final)s::text, grantees.name) as text
    from pg_class as classes
    cross join lateral aclexplode(classes.relacl) as granted
    cross join lateral (
        select
            case
                when granted.grantee = 0 then 'public'
                else quote_ident(pg_get_userbyid(granted.grantee))
            end as name
    ) as grantees
    where
        classes.oid = to_regclass(%(new)s)
        and granted.grantee <> classes.relowner
    union all
    select
        3 as place,
        format(
            'grant %%s%%s on %%s to %%s%%s',
            granted.privilege_type,
            ' (' || quote_ident(granted.column_name) || ')',
            %(final)s::text,
            case
                when granted.grantee = 0 then 'public'
                else quote_ident(pg_get_userbyid(granted.grantee))
            end,
            case when granted.is_grantable then ' with grant option' else '' end
        ) as text
    from (
        select
            null as column_name,
            grants.*
        from pg_class as classes
        cross join lateral aclexplode(classes.relacl) as grants
        where classes.oid = to_regclass(%(old)s)
        union all
        select
            attributes.attname as column_name,
            grants.*
        from pg_attribute as attributes
        cross join lateral aclexplode(attributes.attacl) as grants
        inner join pg_attribute as others
            on
                others.attrelid = to_regclass(%(new)s)
                and others.attname = attributes.attname
                and not others.attisdropped
        where
            attributes.attrelid = to_regclass(%(old)s)
            and not attributes.attisdropped
    ) as granted
) as statements
order by
    statements.place,
    statements.text

-- is_built --
-- Whether a build of this script created a table or view.
select
    exists (
        select
        from orchestrator.built_scripts as built
        where
            built.target = %(target)s
            and built.script = %(script)s
            and to_regclass(%(table)s)::oid = any(built.table_oids)
    ) as is_built
