//! Which objects and fields the org has, and what may be done with them
//! (Object Reference for the Salesforce Platform).

use crate::salesforce::config::{Config, EventMonitoring, PERMISSIONS};

/// An object of the org.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Object {
    LoginHistory,
    LoginGeo,
    SetupAuditTrail,
    EventLogFile,
    User,
    UserLogin,
    Profile,
    UserRole,
    Organization,
    UserPermissionAccess,
    PermissionSet,
    PermissionSetAssignment,
    ContentDistribution,
    OauthToken,
    SecurityHealthCheck,
    SecurityHealthCheckRisks,
}

impl Object {
    /// Whether only the Tooling API shows it.
    pub(crate) const fn tooling(self) -> bool {
        matches!(self, Self::SecurityHealthCheck | Self::SecurityHealthCheckRisks)
    }
}

/// The type a describe call reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Id,
    Reference,
    DateTime,
    String,
    Picklist,
    Boolean,
    Int,
    Double,
    TextArea,
    Base64,
    Email,
}

impl Type {
    /// As describe calls and error messages write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Reference => "reference",
            Self::DateTime => "datetime",
            Self::String => "string",
            Self::Picklist => "picklist",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::TextArea => "textarea",
            Self::Base64 => "base64",
            Self::Email => "email",
        }
    }
}

/// A field and what SOQL may do with it.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) filterable: bool,
    pub(crate) sortable: bool,
    pub(crate) groupable: bool,
    /// The object a reference points to, and the name that follows it in a path.
    pub(crate) parent: Option<(Object, &'static str)>,
}

/// An object and its fields.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) object: Object,
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) prefix: [u8; 3],
    pub(crate) fields: Vec<Field>,
}

impl Entity {
    /// A field by its name, which SOQL takes in any case.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The reference that a path follows under this name.
    pub(crate) fn relationship(&self, name: &str) -> Option<(&Field, Object, &'static str)> {
        self.fields.iter().find_map(|field| {
            let (object, relationship) = field.parent?;
            relationship.eq_ignore_ascii_case(name).then_some((field, object, relationship))
        })
    }
}

/// The objects one org shows to its service user.
#[derive(Debug)]
pub(crate) struct Catalogue {
    entities: Vec<Entity>,
}

impl Catalogue {
    pub(crate) fn new(config: &Config) -> Self {
        let mut entities = entities();
        entities.retain(|entity| match entity.object {
            Object::SetupAuditTrail => config.granted("PermissionsViewSetup"),
            Object::EventLogFile => {
                config.granted("PermissionsViewEventLogFiles")
                    || config.granted("PermissionsViewAllData")
            }
            Object::ContentDistribution => config.content_deliveries,
            Object::SecurityHealthCheck | Object::SecurityHealthCheckRisks => {
                config.granted("PermissionsViewSetup")
                    || config.granted("PermissionsViewHealthCheck")
            }
            _ => true,
        });
        if config.event_monitoring != EventMonitoring::Hourly {
            for entity in &mut entities {
                if entity.object == Object::EventLogFile {
                    entity.fields.retain(|field| !matches!(field.name, "Interval" | "Sequence"));
                }
            }
        }
        Self { entities }
    }

    pub(crate) fn entities(&self) -> &[Entity] {
        &self.entities
    }

    pub(crate) fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.name.eq_ignore_ascii_case(name))
    }

    /// The entity of an object that a visible reference points to.
    pub(crate) fn of(&self, object: Object) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.object == object)
    }
}

const fn field(name: &'static str, kind: Type) -> Field {
    let whole = !matches!(kind, Type::TextArea | Type::Base64);
    let groupable = whole && !matches!(kind, Type::DateTime | Type::Double);
    Field { name, kind, filterable: whole, sortable: whole, groupable, parent: None }
}

const fn id() -> Field {
    field("Id", Type::Id)
}

const fn string(name: &'static str) -> Field {
    field(name, Type::String)
}

const fn flag(name: &'static str) -> Field {
    field(name, Type::Boolean)
}

const fn moment(name: &'static str) -> Field {
    field(name, Type::DateTime)
}

const fn to(name: &'static str, object: Object, relationship: &'static str) -> Field {
    let mut made = field(name, Type::Reference);
    made.parent = Some((object, relationship));
    made
}

/// A field no `WHERE` may name.
const fn unfiltered(name: &'static str, kind: Type) -> Field {
    let mut made = field(name, kind);
    made.filterable = false;
    made.groupable = false;
    made
}

/// A field neither `WHERE` nor `ORDER BY` may name.
const fn selected_only(name: &'static str, kind: Type) -> Field {
    let mut made = unfiltered(name, kind);
    made.sortable = false;
    made
}

const fn unsorted(mut made: Field) -> Field {
    made.sortable = false;
    made
}

fn entity(
    object: Object,
    name: &'static str,
    label: &'static str,
    prefix: [u8; 3],
    fields: Vec<Field>,
) -> Entity {
    Entity { object, name, label, prefix, fields }
}

fn permissions() -> impl Iterator<Item = Field> {
    PERMISSIONS.iter().map(|name| flag(name))
}

fn entities() -> Vec<Entity> {
    use Type::{Base64, Double, Email, Int, Picklist, String, TextArea};
    vec![
        entity(
            Object::LoginHistory,
            "LoginHistory",
            "Login History",
            *b"0Ya",
            vec![
                id(),
                to("UserId", Object::User, "User"),
                moment("LoginTime"),
                field("LoginType", Picklist),
                field("LoginSubType", Picklist),
                string("LoginUrl"),
                string("SourceIp"),
                string("ForwardedForIp"),
                unfiltered("Status", String),
                unfiltered("Browser", String),
                unfiltered("Platform", String),
                unfiltered("Application", String),
                unfiltered("ClientVersion", String),
                unfiltered("ApiType", String),
                unfiltered("ApiVersion", String),
                string("AuthenticationServiceId"),
                string("NetworkId"),
                string("AuthMethodReference"),
                string("AuthContextClassRef"),
                string("CountryIso"),
                to("LoginGeoId", Object::LoginGeo, "LoginGeo"),
                field("TlsProtocol", Picklist),
                field("CipherSuite", Picklist),
                unsorted(flag("OptionsIsGet")),
                unsorted(flag("OptionsIsPost")),
            ],
        ),
        entity(
            Object::LoginGeo,
            "LoginGeo",
            "Login Geo Data",
            *b"04F",
            vec![
                id(),
                moment("LoginTime"),
                string("Country"),
                string("CountryIso"),
                string("City"),
                string("PostalCode"),
                string("Subdivision"),
                field("Latitude", Double),
                field("Longitude", Double),
            ],
        ),
        entity(
            Object::SetupAuditTrail,
            "SetupAuditTrail",
            "Setup Audit Trail Entry",
            *b"0Ym",
            vec![
                id(),
                string("Action"),
                unfiltered("Section", String),
                moment("CreatedDate"),
                to("CreatedById", Object::User, "CreatedBy"),
                unfiltered("Display", String),
                string("DelegateUser"),
                string("ResponsibleNamespacePrefix"),
                string("CreatedByContext"),
                selected_only("CreatedByIssuer", String),
            ],
        ),
        entity(
            Object::EventLogFile,
            "EventLogFile",
            "Event Log File",
            *b"0AT",
            vec![
                id(),
                field("EventType", Picklist),
                moment("LogDate"),
                field("Interval", Picklist),
                field("Sequence", Int),
                field("LogFileLength", Double),
                string("LogFileContentType"),
                selected_only("LogFileFieldNames", TextArea),
                selected_only("LogFileFieldTypes", TextArea),
                selected_only("LogFile", Base64),
                field("ApiVersion", Double),
                moment("CreatedDate"),
                to("CreatedById", Object::User, "CreatedBy"),
                moment("LastModifiedDate"),
                to("LastModifiedById", Object::User, "LastModifiedBy"),
                moment("SystemModstamp"),
                flag("IsDeleted"),
            ],
        ),
        entity(
            Object::User,
            "User",
            "User",
            *b"005",
            vec![
                id(),
                string("Username"),
                string("Name"),
                string("FirstName"),
                string("LastName"),
                field("Email", Email),
                string("Alias"),
                string("CommunityNickname"),
                flag("IsActive"),
                field("UserType", Picklist),
                to("ProfileId", Object::Profile, "Profile"),
                to("UserRoleId", Object::UserRole, "UserRole"),
                to("ManagerId", Object::User, "Manager"),
                string("FederationIdentifier"),
                string("Title"),
                string("Department"),
                string("CompanyName"),
                string("EmployeeNumber"),
                moment("LastLoginDate"),
                moment("LastPasswordChangeDate"),
                moment("CreatedDate"),
                moment("LastModifiedDate"),
                moment("SystemModstamp"),
                field("TimeZoneSidKey", Picklist),
                field("LocaleSidKey", Picklist),
                field("LanguageLocaleKey", Picklist),
                field("EmailEncodingKey", Picklist),
                flag("UserPermissionsSFContentUser"),
            ],
        ),
        entity(
            Object::UserLogin,
            "UserLogin",
            "User Login",
            *b"0Yw",
            vec![
                id(),
                string("UserId"),
                flag("IsFrozen"),
                flag("IsPasswordLocked"),
                moment("LastModifiedDate"),
                to("LastModifiedById", Object::User, "LastModifiedBy"),
            ],
        ),
        entity(
            Object::Profile,
            "Profile",
            "Profile",
            *b"00e",
            [
                id(),
                string("Name"),
                field("UserType", Picklist),
                string("Description"),
                moment("CreatedDate"),
                moment("LastModifiedDate"),
                moment("SystemModstamp"),
            ]
            .into_iter()
            .chain(permissions())
            .collect(),
        ),
        entity(
            Object::UserRole,
            "UserRole",
            "Role",
            *b"00E",
            vec![
                id(),
                string("Name"),
                string("DeveloperName"),
                to("ParentRoleId", Object::UserRole, "ParentRole"),
                moment("LastModifiedDate"),
                moment("SystemModstamp"),
            ],
        ),
        entity(
            Object::Organization,
            "Organization",
            "Organization",
            *b"00D",
            vec![
                id(),
                string("Name"),
                field("OrganizationType", Picklist),
                flag("IsSandbox"),
                string("InstanceName"),
                string("NamespacePrefix"),
                field("LanguageLocaleKey", Picklist),
                field("DefaultLocaleSidKey", Picklist),
                field("TimeZoneSidKey", Picklist),
                moment("TrialExpirationDate"),
                flag("IsReadOnly"),
                moment("CreatedDate"),
                moment("SystemModstamp"),
            ],
        ),
        entity(
            Object::UserPermissionAccess,
            "UserPermissionAccess",
            "User Permission Access",
            *b"0ui",
            [id(), moment("LastCacheUpdate")].into_iter().chain(permissions()).collect(),
        ),
        entity(
            Object::PermissionSet,
            "PermissionSet",
            "Permission Set",
            *b"0PS",
            [
                id(),
                string("Name"),
                string("Label"),
                field("Type", Picklist),
                flag("IsOwnedByProfile"),
                to("ProfileId", Object::Profile, "Profile"),
                flag("IsCustom"),
                string("NamespacePrefix"),
                moment("CreatedDate"),
                moment("SystemModstamp"),
            ]
            .into_iter()
            .chain(permissions())
            .collect(),
        ),
        entity(
            Object::PermissionSetAssignment,
            "PermissionSetAssignment",
            "Permission Set Assignment",
            *b"0Pa",
            vec![
                id(),
                to("AssigneeId", Object::User, "Assignee"),
                to("PermissionSetId", Object::PermissionSet, "PermissionSet"),
                string("PermissionSetGroupId"),
                moment("ExpirationDate"),
                flag("IsActive"),
                moment("SystemModstamp"),
            ],
        ),
        entity(
            Object::ContentDistribution,
            "ContentDistribution",
            "Content Delivery",
            *b"05D",
            vec![
                id(),
                string("Name"),
                to("OwnerId", Object::User, "Owner"),
                string("ContentDocumentId"),
                string("ContentVersionId"),
                selected_only("DistributionPublicUrl", String),
                moment("ExpiryDate"),
                flag("PreferencesPasswordRequired"),
                field("ViewCount", Int),
                flag("IsDeleted"),
                moment("CreatedDate"),
                moment("SystemModstamp"),
            ],
        ),
        entity(
            Object::OauthToken,
            "OauthToken",
            "OAuth Token",
            *b"0CQ",
            vec![
                id(),
                string("AppName"),
                to("UserId", Object::User, "User"),
                string("AppMenuItemId"),
                selected_only("AccessToken", String),
                selected_only("DeleteToken", String),
                selected_only("RequestToken", String),
                moment("CreatedDate"),
                moment("LastUsedDate"),
                field("UseCount", Int),
            ],
        ),
        entity(
            Object::SecurityHealthCheck,
            "SecurityHealthCheck",
            "Security Health Check",
            *b"000",
            vec![id(), string("DurableId"), string("CustomBaselineId"), string("Score")],
        ),
        entity(
            Object::SecurityHealthCheckRisks,
            "SecurityHealthCheckRisks",
            "Security Health Check Risks",
            *b"000",
            vec![
                id(),
                string("DurableId"),
                string("SecurityHealthCheckId"),
                string("SettingGroup"),
                string("Setting"),
                field("RiskType", Picklist),
                field("SettingRiskCategory", Picklist),
                string("OrgValue"),
                string("OrgValueRaw"),
                string("StandardValue"),
                string("StandardValueRaw"),
            ],
        ),
    ]
}
