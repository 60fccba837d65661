-- handover --
-- The statements that make the runner's role the owner of its schemas and what they contain; none
-- if there is no such role. Objects of roles that the current role is not a member of stay.
with runner as (
    select roles.oid, roles.rolname
    from pg_roles as roles
    where roles.rolname = current_database() || '_warehouse_runner'
),

objects (place, kind, name, owner, class, id) as (
    select
        1 as place,
        'schema' as kind,
        quote_ident(schemas.nspname) as name,
        schemas.nspowner as owner,
        'pg_namespace'::regclass as class,
        schemas.oid as id
    from pg_namespace as schemas
    where schemas.nspname = any(%(schemas)s)
    union all
    select
        2 as place,
        case when relations.relkind = 'S' then 'sequence' else 'table' end as kind,
        relations.oid::regclass::text as name,
        relations.relowner as owner,
        'pg_class'::regclass as class,
        relations.oid as id
    from pg_class as relations
    where
        relations.relnamespace::regnamespace::text = any(%(schemas)s)
        and relations.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select
        3 as place,
        'routine' as kind,
        routines.oid::regprocedure::text as name,
        routines.proowner as owner,
        'pg_proc'::regclass as class,
        routines.oid as id
    from pg_proc as routines
    where routines.pronamespace::regnamespace::text = any(%(schemas)s)
    union all
    select
        4 as place,
        'type' as kind,
        types.oid::regtype::text as name,
        types.typowner as owner,
        'pg_type'::regclass as class,
        types.oid as id
    from pg_type as types
    left join pg_class as rows on rows.oid = types.typrelid
    where
        types.typnamespace::regnamespace::text = any(%(schemas)s)
        and (types.typtype in ('d', 'e', 'r') or rows.relkind = 'c')
)

select
    format('alter %%s %%s owner to %%I', objects.kind, objects.name, runner.rolname) as statement
from objects
cross join runner
where
    objects.owner <> runner.oid
    and pg_has_role(objects.owner, 'usage')
    -- Members of an extension, and sequences of a column, follow it.
    and not exists (
        select
        from pg_depend as dependencies
        where
            dependencies.classid = objects.class
            and dependencies.objid = objects.id
            and (
                dependencies.deptype = 'e'
                or (objects.kind = 'sequence' and dependencies.deptype in ('a', 'i'))
            )
    )
order by
    objects.place,
    objects.name

-- sources --
-- The statements that give the roles what they need of the sources, if they lack it and the current
-- role may grant it: the owner gets the project's tables that the current role has created, the
-- runner may read what pipelines read, and the loader may load into the project's tables.
with roles as (
    select
        owners.rolname as owner,
        runners.rolname as runner,
        loaders.rolname as loader
    from pg_roles as owners
    inner join pg_roles as runners on runners.rolname = current_database() || '_warehouse_runner'
    inner join pg_roles as loaders on loaders.rolname = current_database() || '_source_loader'
    where owners.rolname = current_database() || '_warehouse_owner'
),

sources as (
    select
        relations.oid,
        relations.oid::regclass::text as name,
        relations.relowner as owner,
        schemas.oid as schema,
        schemas.nspname as schema_name,
        schemas.nspowner as schema_owner,
        coalesce(bool_or(named.is_ours), false) as is_ours
    from (
        select
            ours.name,
            true as is_ours
        from unnest(%(sources)s::text[]) as ours (name)
        union all
        select
            pipelines.source_relation as name,
            false as is_ours
        from orchestrator.pipeline_definitions as pipelines
    ) as named
    inner join pg_class as relations
        on relations.oid = to_regclass(
            format('%%I.%%I', split_part(named.name, '.', 1), split_part(named.name, '.', 2))
        )
    inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
    group by
        relations.oid,
        schemas.oid
),

wanted (place, role, privileges, kind, name, is_held, may_grant) as (
    select
        1 as place,
        users.role,
        users.privileges,
        'schema ' as kind,
        quote_ident(sources.schema_name) as name,
        has_schema_privilege(users.role, sources.schema, users.privilege) as is_held,
        pg_has_role(sources.schema_owner, 'usage') as may_grant
    from roles
    cross join sources
    cross join lateral (
        values
        (roles.owner, 'usage, create', 'create', sources.is_ours),
        (roles.runner, 'usage', 'usage', true),
        (roles.loader, 'usage', 'usage', sources.is_ours)
    ) as users (role, privileges, privilege, has_use)
    where users.has_use
    union all
    select
        3 as place,
        users.role,
        users.privileges,
        '' as kind,
        sources.name,
        has_table_privilege(users.role, sources.oid, 'select')
        and (
            users.role = roles.runner or has_table_privilege(users.role, sources.oid, 'insert')
        ) as is_held,
        pg_has_role(sources.owner, 'usage') as may_grant
    from roles
    cross join sources
    cross join lateral (
        values
        (roles.runner, 'select', true),
        (roles.loader, 'select, insert', sources.is_ours)
    ) as users (role, privileges, has_use)
    where users.has_use
)

select
    wanted.place,
    format(
        'grant %%s on %%s%%s to %%I', wanted.privileges, wanted.kind, wanted.name, wanted.role
    ) as statement
from wanted
where
    wanted.may_grant
    and not wanted.is_held
union
select
    2 as place,
    format('alter table %%s owner to %%I', sources.name, roles.owner) as statement
from roles
cross join sources
where
    sources.is_ours
    and sources.owner = to_regrole(quote_ident(current_user))
    and current_user <> roles.owner
order by
    place,
    statement

-- rights --
-- What the roles of this database own and may do, one sentence each.
with ours as (
    select
        roles.oid,
        roles.rolname
    from pg_roles as roles
    inner join (
        values
        ('_warehouse_owner'), ('_warehouse_runner'), ('_source_loader'), ('_reporting_reader')
    ) as suffixes (suffix)
        on roles.rolname = current_database() || suffixes.suffix
),

granted (place, what, acl, owner) as (
    select
        4 as place,
        'database ' || quote_ident(databases.datname) as what,
        databases.datacl as acl,
        databases.datdba as owner
    from pg_database as databases
    where databases.datname = current_database()
    union all
    select
        4 as place,
        'schema ' || quote_ident(schemas.nspname) as what,
        schemas.nspacl as acl,
        schemas.nspowner as owner
    from pg_namespace as schemas
    union all
    select
        5 as place,
        relations.oid::regclass::text as what,
        relations.relacl as acl,
        relations.relowner as owner
    from pg_class as relations
    union all
    select
        5 as place,
        relations.oid::regclass || '.' || quote_ident(attributes.attname) as what,
        attributes.attacl as acl,
        relations.relowner as owner
    from pg_attribute as attributes
    inner join pg_class as relations on relations.oid = attributes.attrelid
    where attributes.attacl is not null
    union all
    select
        6 as place,
        format('what %%I will create in %%I', makers.rolname, schemas.nspname) as what,
        defaults.defaclacl as acl,
        0 as owner
    from pg_default_acl as defaults
    inner join pg_namespace as schemas on schemas.oid = defaults.defaclnamespace
    inner join pg_roles as makers on makers.oid = defaults.defaclrole
),

owned (name, owner, is_whole) as (
    select
        'schema ' || quote_ident(schemas.nspname) || ' and what is in it' as name,
        schemas.nspowner as owner,
        not exists (
            select
            from pg_class as relations
            where
                relations.relnamespace = schemas.oid
                and relations.relowner <> schemas.nspowner
        )
        and not exists (
            select
            from pg_proc as routines
            where
                routines.pronamespace = schemas.oid
                and routines.proowner <> schemas.nspowner
        ) as is_whole
    from pg_namespace as schemas
    union all
    select
        relations.oid::regclass::text as name,
        relations.relowner as owner,
        relations.relnamespace::regnamespace::text <> all(%(schemas)s) as is_whole
    from pg_class as relations
    where relations.relkind in ('r', 'p')
)

select
    'create role ' || quote_ident(ours.rolname) as right,
    1 as place
from ours
union
select
    format('grant %%I to %%I', roles.rolname, members.rolname) as right,
    2 as place
from pg_auth_members as memberships
inner join pg_roles as roles on roles.oid = memberships.roleid
inner join pg_roles as members on members.oid = memberships.member
where
    memberships.member in (select ours.oid from ours)
    or roles.rolname = current_database() || '_warehouse_owner'
union
select
    format('make %%I the owner of %%s', ours.rolname, owned.name) as right,
    3 as place
from owned
inner join ours on ours.oid = owned.owner
where owned.is_whole
union
select
    format(
        'grant %%s on %%s to %%I', lower(privileges.privilege_type), granted.what, ours.rolname
    ) as right,
    granted.place
from granted
cross join lateral aclexplode(granted.acl) as privileges
inner join ours on ours.oid = privileges.grantee
where privileges.grantee <> granted.owner
order by
    place,
    "right"
