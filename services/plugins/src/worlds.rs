//! Worlds between host and contract.

use dualwheel_kit::Violations;
use dualwheel_plugin_host::World;
use dualwheel_proto::plugin::PluginWorld;

/// As the contract has it.
pub(crate) fn to_proto(world: World) -> PluginWorld {
    match world {
        World::KocModel => PluginWorld::KocModel,
        World::StyleTrendModel => PluginWorld::StyleTrendModel,
        World::HitModel => PluginWorld::HitModel,
    }
}

/// The world of a number of the contract.
pub(crate) fn of_number(number: i32) -> Option<World> {
    match PluginWorld::try_from(number) {
        Ok(PluginWorld::KocModel) => Some(World::KocModel),
        Ok(PluginWorld::StyleTrendModel) => Some(World::StyleTrendModel),
        Ok(PluginWorld::HitModel) => Some(World::HitModel),
        _ => None,
    }
}

/// Reads the world at `field`.
pub(crate) fn read(field: &str, number: i32, violations: &mut Violations) -> Option<World> {
    let world = of_number(number);
    if world.is_none() {
        violations.add(
            field,
            "PLUGIN_WORLD_KOC_MODEL, PLUGIN_WORLD_STYLE_TREND_MODEL or PLUGIN_WORLD_HIT_MODEL",
        );
    }
    world
}
