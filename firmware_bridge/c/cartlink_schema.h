/* Made by firmware_bridge/proto/generate.py of cart.proto. */
#ifndef CARTLINK_SCHEMA_H
#define CARTLINK_SCHEMA_H

#define CARTLINK_MAJOR 1U
#define CARTLINK_MINOR 0U
#define CARTLINK_SCHEMA_HASH 0x796D179018D1B3D0ULL

#endif
