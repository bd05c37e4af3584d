"""VTK files for ParaView."""
